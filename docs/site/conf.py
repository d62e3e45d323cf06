# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of Sphinx for `make docs`. The site is built without the network, so pages of Ansible itself are linked by their address."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ANSIBLE = "https://docs.ansible.com/ansible/latest"
SETTINGS = f"{ANSIBLE}/reference_appendices/config.html"
ELSEWHERE = {
    "action_plugins": f"{ANSIBLE}/plugins/action.html",
    "ansible_configuration_settings": SETTINGS,
    "common_return_values": f"{ANSIBLE}/reference_appendices/common_return_values.html",
}
"""Labels that antsibull-docs refers to, and that are in Ansible's own documentation, as are the variables of the environment."""

project = "ucloudstack.cloud"
author = "UCloudStack collection contributors"
extensions = ["sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = "UCloudStack collection for Ansible"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", link_elsewhere)
    app.connect("html-page-context", link_the_title_to_the_site)


def link_elsewhere(_app: Sphinx, _env: BuildEnvironment, node: pending_xref, content: nodes.TextElement) -> nodes.reference | None:
    """A link to Ansible's own documentation; None for any other label, which Sphinx then reports."""
    target = node["reftarget"]
    address = f"{SETTINGS}#envvar-{target}" if node["reftype"] == "envvar" else ELSEWHERE.get(target)
    return nodes.reference("", "", content, internal=False, refuri=address) if address else None


def link_the_title_to_the_site(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: nodes.document | None) -> None:
    """The theme links the title of the site to the root of its server, where another site may be."""
    context["theme_documentation_home_url"] = context["pathto"]("index")
