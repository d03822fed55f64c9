# SPDX-License-Identifier: Apache-2.0
# Test helpers ask for the versions that the library's authors locked. What is tested here is tested with
# what Debian has, and that is found already.
