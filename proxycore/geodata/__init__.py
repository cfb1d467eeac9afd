"""Lists of domains and addresses that rules name: `geosite:cn`, `geoip:private`, `ext:file.dat:code`.

    references.py   what such an entry says
    codec.py        geosite.dat and geoip.dat: bytes in, lists out
    countries.py    countries and private addresses without a file
    assets.py       where the files are; each list is read once for a document

Only what a document names is read: the files are looked through by their lists' headers, mapped and not copied.
"""
