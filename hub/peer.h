/* SPDX-License-Identifier: Apache-2.0 */
/* peer.h: what the kernel knows of the other end of a connection. */
#pragma once
#include <stdbool.h>

/*
 * Is the peer's host there? True if its kernel has acknowledged all it was sent (tcp(7), TCP_INFO): its program may be slow or stopped, but
 * it was not lost in a tunnel. False for what is no TCP socket.
 */
bool peer_host_answers(int fd);
