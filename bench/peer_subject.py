# SPDX-License-Identifier: Apache-2.0
"""The subject as a module of its own name, which is how the others find what is in it."""
import subject

subject.main()
