#!/usr/bin/env python3
"""Start the browser that DSTK_BROWSER names, deaf to what becomes of this machine's network interfaces.

Chromium drops requests whenever an interface comes or goes (net::ERR_NETWORK_CHANGED), as they do all the time where
other tests boot hosts of a sandbox. It hears of them from a netlink socket; where it gets none, it takes the network to
be there and to stay. So this process and its children are refused such sockets, by a filter of seccomp(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By machine: the architecture as <linux/audit.h> names it, and the number of socket(2)."""
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
AF_NETLINK, EAFNOSUPPORT = 16, 97
NUMBER_AT, ARCHITECTURE_AT, DOMAIN_AT = 0, 4, 16


class Program(ctypes.Structure):
    """struct sock_fprog of <linux/filter.h>."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def make_filter(architecture: int, number: int) -> bytes:
    """Write the filter; each instruction is its code, how far it jumps where that is so or not, and a value."""
    instructions = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_IF_EQUAL, 0, 5, architecture),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_IF_EQUAL, 0, 3, number),
        (LOAD, 0, 0, DOMAIN_AT),
        (JUMP_IF_EQUAL, 0, 1, AF_NETLINK),
        (RETURN, 0, 0, REFUSE | EAFNOSUPPORT),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)


def refuse_netlink(architecture: int, number: int) -> None:
    """Refuse netlink sockets to this process, and to all that it becomes or starts."""
    written = make_filter(architecture, number)
    buffer = ctypes.create_string_buffer(written, len(written))
    program = Program(len(written) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if prctl(*arguments):
            raise OSError(ctypes.get_errno(), "no filter could be set")


if __name__ == "__main__":
    if platform.machine() in SOCKET:
        refuse_netlink(*SOCKET[platform.machine()])
    os.execv(os.environ["DSTK_BROWSER"], [os.environ["DSTK_BROWSER"], *sys.argv[1:]])  # noqa: S606
