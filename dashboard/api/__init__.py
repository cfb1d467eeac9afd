"""The REST API, /api/v1/.

authentication.py permissions.py    who asks, and whether they may        problems.py   errors as problem+json
paging.py versions.py               pages; ETag and If-Match              secrets.py    masked unless one may see them
serializers.py viewsets.py urls.py  what there is
"""
