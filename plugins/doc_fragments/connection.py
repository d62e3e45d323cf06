# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options that every module of the collection has."""

    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - URL of the API of your UCloudStack installation, usually V(https://console.<customer>/api).
      - If not set, the value of the environment variable E(UCLOUDSTACK_API_URL) is used, on the host that the task runs on or
        is delegated to. The same applies to the other options that name a variable.
      - Required, as an option or environment variable.
    type: str
  public_key:
    description:
      - Public key of the API key pair.
      - If not set, the value of the environment variable E(UCLOUDSTACK_PUBLIC_KEY) is used. Required, as an option or environment variable.
    type: str
  private_key:
    description:
      - Private key of the API key pair. It signs the requests and is never sent.
      - If not set, the value of the environment variable E(UCLOUDSTACK_PRIVATE_KEY) is used. Required, as an option or environment variable.
      - Keep it in the environment or in a vault. ansible-core itself shows task options in its debug output, and quotes faulty
        lines of a playbook.
    type: str
  region:
    description:
      - Region of the resources, such as V(cn).
      - If not set, the value of the environment variable E(UCLOUDSTACK_REGION) is used. Required, as an option or environment variable.
    type: str
  zone:
    description:
      - Zone of the resources, such as V(zone-01). It is sent if it is set; newer platforms have no zones.
      - If not set, the value of the environment variable E(UCLOUDSTACK_ZONE) is used.
    type: str
  project_id:
    description:
      - Project of the resources, on platforms that have projects. Lists are limited to it, and snapshots are created in it.
      - If not set, the value of the environment variable E(UCLOUDSTACK_PROJECT_ID) is used.
    type: str
  validate_certs:
    description:
      - Whether the TLS certificate of the API is verified. With V(false), requests can be intercepted and modified.
      - Variables such as E(REQUESTS_CA_BUNDLE) have no effect.
    type: bool
    default: true
  ca_path:
    description:
      - File or directory with the CA certificates to trust, instead of those of the system. A directory must be prepared with
        C(openssl rehash).
    type: path
  request_timeout:
    description:
      - Timeout of a single HTTP request in seconds, from V(1) to V(3600).
    type: int
    default: 30
requirements:
  - python >= 3.9
  - requests
notes:
  - The modules call the API from the host that they run on. In plays that target other hosts, set O(ignore:delegate_to=localhost).
  - Proxies are taken from the usual environment variables; C(~/.netrc) is not read; redirects are not followed.
"""
