/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both programs call themselves. */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

#define MPGATE_VERSION "0.1.0"
/* Of what mpgatectl --json prints, see io.mpgate.varlink. */
#define MPGATE_SCHEMA 1

#endif
