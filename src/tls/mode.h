/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The modes of a connection: a TLS version with an AEAD cipher.  One table for
 * the option parser, tls, ktls and probe.
 */
#pragma once

#include "base/err.h"

enum mode_version { MODE_TLS12, MODE_TLS13 };
enum mode_cipher { MODE_AES128_GCM, MODE_AES256_GCM, MODE_CHACHA20_POLY1305 };

struct mode {
	const char *name; /* tls13-aes128-gcm */
	const char *alias; /* the original proposal's name, or NULL */
	const char *title; /* TLS 1.3 AES-128-GCM */
	enum mode_version version;
	enum mode_cipher cipher;
};

enum { MODE_COUNT = 5 };

/* All modes, in the order of preference on a CPU with AES instructions. */
extern const struct mode mode_table[MODE_COUNT];

/* GnuTLS's names, by enum mode_version and enum mode_cipher */
extern const char *const mode_versions[], *const mode_ciphers[];

/* No TLS: only if both sides name it, and no other mode. */
extern const struct mode mode_none;

/* The modes that may be negotiated, best first. */
struct mode_list {
	size_t count;
	const struct mode *modes[MODE_COUNT];
};

/* A comma-separated list of names; ERR_USAGE names the culprit. */
int mode_parse(const char *text, struct mode_list *list,
	       struct err *e) attr_must_check;

/* The entry of mode_table, or NULL. */
const struct mode *mode_find(enum mode_version version,
			     enum mode_cipher cipher);

bool mode_in_list(const struct mode_list *list, const struct mode *mode);

/* Append mode to list unless it contains it. */
void mode_add(struct mode_list *list, const struct mode *mode);

/* Does this CPU have instructions for AES-GCM?  (x86 and arm64; else false.) */
bool mode_cpu_has_aes(void);

/*
 * Does the key of a client that offers list have to be bound to SHA-384?  TLS
 * 1.3 binds it to one hash, which AES-256-GCM does not share with other modes.
 */
bool mode_list_needs_sha384(const struct mode_list *list);

/* Can GnuTLS negotiate mode with one of kinds, bits of enum credential_kind? */
bool mode_usable(const struct mode *mode, unsigned int kinds);

/* The TLS 1.3 modes that are usable with kinds, the best for this CPU first. */
void mode_defaults(struct mode_list *list, unsigned int kinds);

/*
 * The priority string that makes GnuTLS offer these modes with kinds and
 * nothing else: forward secrecy only.  Modes that are not usable with kinds are
 * left out.
 */
enum { MODE_PRIORITY_CHARS = 1024 }; /* more than all modes and kinds need */
void mode_priority(const struct mode_list *modes, unsigned int kinds,
		   char out[static MODE_PRIORITY_CHARS]);
