#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Make ./configure out of a fresh checkout.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --force --install
