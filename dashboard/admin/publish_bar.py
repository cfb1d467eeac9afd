"""The bar "3 changes of edge not published" on the pages of entries."""

from __future__ import annotations


class WithPublishBar:
    """For the admin of a model whose rows belong to an instance: the bar is above its form, and above its list where that is
    narrowed to one instance."""

    change_form_outer_before_template = "dashboard/publish_bar_of_entry.html"
    list_before_template = "dashboard/publish_bar_of_list.html"
