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
        is delegated to. The same goes for the other options that name a variable.
      - Required, in one of the two ways.
    type: str
  public_key:
    description:
      - Public key of the API key pair.
      - If not set, the value of the environment variable E(UCLOUDSTACK_PUBLIC_KEY) is used. Required, in one of the two ways.
    type: str
  private_key:
    description:
      - Private key of the API key pair. It signs the requests and is never sent.
      - If not set, the value of the environment variable E(UCLOUDSTACK_PRIVATE_KEY) is used. Required, in one of the two ways.
      - Keep it in the environment or in a vault. ansible-core itself shows task options in its debug output, and quotes the
        lines of a playbook in which something is wrong.
    type: str
  region:
    description:
      - Region of the resources, such as V(cn).
      - If not set, the value of the environment variable E(UCLOUDSTACK_REGION) is used. Required, in one of the two ways.
    type: str
  zone:
    description:
      - Zone of the resources, such as V(zone-01). It is sent when it is given; newer platforms have no zones.
      - If not set, the value of the environment variable E(UCLOUDSTACK_ZONE) is used.
    type: str
  project_id:
    description:
      - Project of the resources, on platforms that have projects.
      - If not set, the value of the environment variable E(UCLOUDSTACK_PROJECT_ID) is used.
    type: str
  validate_certs:
    description:
      - Whether the TLS certificate of the API is verified. With V(false), anybody in the way can read and change the requests.
      - Variables such as E(REQUESTS_CA_BUNDLE) change nothing.
    type: bool
    default: true
  ca_path:
    description:
      - File or folder with the CA certificates to trust, in place of those of the system. A folder must be prepared with
        C(openssl rehash).
    type: path
  request_timeout:
    description:
      - Seconds that one HTTP request may take, from V(1) to V(3600).
    type: int
    default: 30
requirements:
  - python >= 3.9
  - requests
notes:
  - The modules talk to the API from the host that they run on. Use O(ignore:delegate_to=localhost) in plays for other hosts.
  - Proxies are taken from the usual environment variables; C(~/.netrc) is not read; redirects are not followed.
"""
