// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/key.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#define PEM_BEGIN "-----BEGIN"
#define PEM_LABEL "BTRFS-KTLS-PIPE PRE-SHARED KEY"
#define KEYGEN "'btrfs-ktls-pipe keygen'"

enum {
	KEY_NEW_BYTES = 32, /* bytes of a generated key */
	PASSWORD_CHARS = 32, /* a shorter printable line is a password */
	TELL_MS = 3000, /* that a file keeps us waiting */
};

static void key_datum_wipe(gnutls_datum_t *d)
{
	if (d->data)
		explicit_bzero(d->data, d->size);
	gnutls_free(d->data);
	d->data = NULL;
}

bool key_identity_ok(const char *text)
{
	return key_text_identity_ok((const uint8_t *)text, strlen(text));
}

static int key_take(struct key *k, const uint8_t *bytes, size_t len,
		    struct err *e)
{
	if (len < SECRET_MIN)
		return err_set(e, ERR_KEY, 0,
			       "the key is too short: %zu bytes, at least %d "
			       "are needed; make one with " KEYGEN,
			       len, SECRET_MIN);
	if (len > SECRET_MAX)
		return err_set(e, ERR_KEY, 0,
			       "the key is too long: at most %d bytes are "
			       "possible; make one with " KEYGEN,
			       SECRET_MAX);
	memcpy(k->secret.bytes, bytes, len);
	k->secret.len = len;
	return 0;
}

/* Name a PEM block that holds no pre-shared key.  Half of these are public. */
static const char *key_pem_not_ours(const uint8_t *line, size_t len)
{
	static const char *const words[] = {
		"CERTIFICATE", "CRL", "PUBLIC KEY", "PRIVATE KEY", "PARAMETERS",
		"PKCS",	       "CMS", "PGP",	    "SSH",	   "OPENVPN",
	};
	char label[80];

	log_printable(label, sizeof label, line, len);
	for (size_t i = 0; i < array_len(words); i++)
		if (strcasestr(label, words[i]))
			return words[i];
	return NULL;
}

/* Is one of the lines a valid identity:hex? */
static bool key_has_entry(const uint8_t *data, size_t len)
{
	struct key_text t = { .next = data, .end = data + len };
	autowipe_key struct key k = { .secret.len = 0 };
	struct err ignored;

	while (key_text_next_entry(&t))
		if (key_text_entry(&t, k.identity, &k.secret, &ignored) == 0)
			return true;
	return false;
}

static int key_parse_pem(const uint8_t *data, size_t len, const uint8_t *begin,
			 struct key *k, struct err *e)
{
	attr_cleanup(key_datum_wipe) gnutls_datum_t raw = { NULL, 0 };
	gnutls_datum_t pem = { (unsigned char *)begin, 0 };

	if (key_has_entry(data, len))
		return err_set(e, ERR_KEY, 0,
			       "holds a PEM block and an identity:hex line; "
			       "keep the intended one");
	/* Every block must be a key. */
	for (const uint8_t *p = begin; p;
	     p = memmem(p, len - (size_t)(p - data), PEM_BEGIN,
			strlen(PEM_BEGIN))) {
		size_t rest = len - (size_t)(p - data);
		const uint8_t *eol = memchr(p, '\n', rest);
		const char *what =
			key_pem_not_ours(p, eol ? (size_t)(eol - p) : rest);

		if (what)
			return err_set(
				e, ERR_KEY, 0,
				"holds a PEM block that is no "
				"pre-shared key (%s); make one with " KEYGEN,
				what);
		if (p != begin)
			return err_set(e, ERR_KEY, 0,
				       "holds more than one PEM block; keep "
				       "the intended one");
		p += strlen(PEM_BEGIN);
	}
	pem.size = (unsigned int)(len - (size_t)(begin - data));
	if (gnutls_pem_base64_decode2(NULL, &pem, &raw) < 0)
		return err_set(e, ERR_KEY, 0,
			       "begins a PEM block that does not parse; copy "
			       "the whole file again");
	return key_take(k, raw.data, raw.size, e);
}

/*
 * Parse the one line identity:hex among blank lines and comments.  *found:
 * there is such a line, valid or damaged.
 */
static int key_parse_entry(const struct key_text *text, bool *found,
			   struct key *k, struct err *e)
{
	struct key_text t = *text, entry = { 0 };
	size_t lines = 0;

	*found = false;
	while (key_text_next_entry(&t)) {
		*found |= key_text_looks_like_entry(&t);
		if (lines++ && *found)
			return err_set(e, ERR_KEY, 0,
				       "holds more than one line besides "
				       "comments, one of which looks like "
				       "identity:hex (line %zu is extra); "
				       "keep the intended one",
				       t.number);
		entry = t;
	}
	if (!*found)
		return 0;
	if (key_text_entry(&entry, k->identity, &k->secret, e) < 0)
		return err_wrap(e, "line %zu", entry.number);
	return 0;
}

static bool key_is_password(const uint8_t *data, size_t len)
{
	while (len && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	if (len >= PASSWORD_CHARS)
		return false;
	for (size_t i = 0; i < len; i++)
		if (data[i] < 0x20 || data[i] > 0x7e)
			return false;
	return true;
}

/* sshd(8), AUTHORIZED_KEYS FILE FORMAT */
static bool key_is_ssh_public(const uint8_t *data, size_t len)
{
	static const char *const types[] = { "ssh-", "ecdsa-sha2-", "sk-ssh-",
					     "sk-ecdsa-" };

	for (size_t i = 0; i < array_len(types); i++)
		if (len > strlen(types[i]) &&
		    !memcmp(data, types[i], strlen(types[i])))
			return true;
	return false;
}

static bool key_has(const uint8_t *data, size_t len, const char *word)
{
	return memmem(data, len, word, strlen(word));
}

/* Does it look like PEM that was damaged by copying? */
static bool key_was_pem(const uint8_t *data, size_t len)
{
	return key_has(data, len, "PuTTY-User-Key-File") ||
	       (key_has(data, len, "--") &&
		(key_has(data, len, "BEGIN ") || key_has(data, len, "END ")));
}

/* A flaw of the line that is hardly meant as part of a key, or NULL. */
static const char *key_line_flaw(const struct key_text *t)
{
	static const char blanks[] = " \t";
	const uint8_t *eol = t->line + t->len;
	bool first_blank = t->len && strchr(blanks, t->line[0]);
	bool last_blank = t->len && strchr(blanks, eol[-1]);

	if (t->bom && t->number == 1)
		return "begins with a byte order mark";
	if (key_text_comment(t))
		return "is a comment";
	if (key_text_blank(t))
		return "is blank";
	if ((eol < t->end && *eol == '\r') || memchr(t->line, '\r', t->len))
		return "has a carriage return";
	if (first_blank || last_blank)
		return "begins or ends with a blank";
	if (t->len > 1 && strchr("\"'", t->line[0]) && eol[-1] == t->line[0])
		return "is in quotation marks";
	return NULL;
}

/* Text that serves as a key must survive copying unchanged. */
static int key_check_text(const struct key_text *text, struct err *e)
{
	struct key_text t = *text;

	if (!key_text_next_entry(&t))
		return err_set(e, ERR_KEY, 0,
			       "holds nothing but comments and blank lines; "
			       "make a key with " KEYGEN);
	t = *text;
	while (key_text_next(&t)) {
		const char *flaw = key_line_flaw(&t);

		if (flaw)
			return err_set(
				e, ERR_KEY, 0,
				"line %zu %s, which would be a part of "
				"the key; remove it, or make a key with " KEYGEN,
				t.number, flaw);
	}
	return 0;
}

/* The file's bytes are the key, unless they look like a damaged format. */
static int key_parse_raw(const struct key_text *text, const uint8_t *data,
			 size_t len, struct key *k, struct err *e)
{
	if (key_is_ssh_public(data, len))
		return err_set(e, ERR_KEY, 0,
			       "holds a public key of OpenSSH, which is no "
			       "secret; make a key with " KEYGEN);
	if (key_is_password(data, len))
		return err_set(e, ERR_KEY, 0,
			       "looks like a password, which can be guessed%s; "
			       "make a key with " KEYGEN,
			       memchr(data, ':', len)
				       ? ", or like a malformed identity:hex"
				       : "");
	if (!key_text_is_text(data, len))
		return key_take(k, data, len, e);
	if (key_was_pem(data, len))
		return err_set(e, ERR_KEY, 0,
			       "looks like a PEM block without its whole line "
			       "'-----BEGIN ...-----'; copy the whole file "
			       "again");
	return key_check_text(text, e) < 0 ? -1 : key_take(k, data, len, e);
}

int key_parse(const uint8_t *data, size_t len, struct key *k, struct err *e)
{
	const uint8_t *begin = memmem(data, len, PEM_BEGIN, strlen(PEM_BEGIN));
	struct key_text text;
	bool found;

	memset(k, 0, sizeof *k);
	if (!len)
		return err_set(e, ERR_KEY, 0,
			       "is empty; make a key with " KEYGEN);
	if (key_text_begin(&text, data, len, e) < 0)
		return -1;
	if (begin)
		return key_parse_pem(data, len, begin, k, e);
	if (key_parse_entry(&text, &found, k, e) < 0)
		return -1;
	return found ? 0 : key_parse_raw(&text, data, len, k, e);
}

/* Is path in the directory of a unit's systemd credentials? */
static bool key_is_systemd_credential(const char *path)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	autofree char *real_dir = NULL;
	autofree char *real_path = NULL;
	size_t n;

	if (!dir || !*dir)
		return false;
	real_dir = realpath(dir, NULL);
	real_path = realpath(path, NULL);
	if (!real_dir || !real_path)
		return false;
	n = strlen(real_dir);
	return !strncmp(real_path, real_dir, n) && real_path[n] == '/';
}

/* The owner of a file can read it and replace the key at any time. */
static int key_refuse_owner(uid_t owner, const char *path, struct err *e)
{
	const struct passwd *pw = getpwuid(owner);

	return err_set(e, ERR_KEY, 0,
		       "belongs to %s (uid %lu), neither to the user who runs "
		       "this (uid %lu) nor to root; run 'chown %lu %s' if that "
		       "is right",
		       pw ? pw->pw_name : "another user", (unsigned long)owner,
		       (unsigned long)geteuid(), (unsigned long)geteuid(),
		       strcmp(path, "-") ? path : "FILE");
}

static bool key_is_certificate(int fd)
{
	autowipe_key_file struct key_file f = { .len = 0 };
	ssize_t n = pread(fd, f.bytes, sizeof f.bytes, 0);

	return n > 0 && key_has(f.bytes, (size_t)n, "BEGIN CERTIFICATE") &&
	       !key_has(f.bytes, (size_t)n, "PRIVATE KEY");
}

static int key_check_mode(int fd, const char *path, struct err *e)
{
	mode_t refused = S_IRWXG | S_IRWXO;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_KEY, errno, "cannot be examined");
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_KEY, 0,
			       "is a directory; name the file in it");
	if (!S_ISREG(st.st_mode))
		return 0;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return key_refuse_owner(st.st_uid, path, e);
	if (key_is_systemd_credential(path))
		refused &= ~(mode_t)S_IRGRP;
	if ((st.st_mode & refused) && key_is_certificate(fd))
		return err_set(e, ERR_KEY, 0,
			       "holds a certificate, which is no secret; name "
			       "the file with the key");
	if (st.st_mode & refused)
		return err_set(e, ERR_KEY, 0,
			       "is open to others (mode %04o); run 'chmod 600 "
			       "%s', and replace it if others may have read "
			       "it",
			       (unsigned int)(st.st_mode & 07777),
			       strcmp(path, "-") ? path : "FILE");
	return 0;
}

int key_open(const char *path, struct err *e)
{
	autoclose int fd = strcmp(path, "-")
				   ? open(path, O_RDONLY | O_CLOEXEC |
							O_NOCTTY | O_NONBLOCK)
				   : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC,
					   STDERR_FILENO + 1);

	if (fd < 0) {
		err_set(e, ERR_KEY, errno, "cannot be opened");
		return e->num == EACCES
			       ? err_append(e,
					    " (readable by root only? then run "
					    "this as root, for example with "
					    "sudo)")
			       : -1;
	}
	if (key_check_mode(fd, path, e) < 0)
		return -1;
	return steal_fd(&fd);
}

int key_load(const char *path, uint8_t *bytes, size_t size, size_t *len,
	     struct err *e)
{
	autoclose int fd = key_open(path, e);

	*len = 0;
	return fd < 0 ? -1 : key_load_from(fd, path, bytes, size, len, e);
}

static const char *key_file_name(const char *path)
{
	return strcmp(path, "-") ? path : "(standard input)";
}

int key_load_from(int fd, const char *path, uint8_t *bytes, size_t size,
		  size_t *len, struct err *e)
{
	uint64_t tell_ms = clock_deadline(TELL_MS);
	bool is_file = io_kind(fd) == IO_FILE;

	*len = 0;
	while (*len < size) {
		int ready = is_file ? 1 : io_wait(fd, POLLIN, tell_ms, e);
		ssize_t n;

		if (ready < 0) {
			e->kind = ERR_KEY;
			return -1;
		}
		if (ready == 0) {
			log_notice("waiting for the end of %s: does a program "
				   "write to it, and close it?",
				   key_file_name(path));
			tell_ms = CLOCK_NEVER;
			continue;
		}
		n = io_read(fd, bytes + *len, size - *len);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return err_set(e, ERR_KEY, errno, "cannot be read");
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

int key_read(const char *path, struct key *k, struct err *e)
{
	autowipe_key_file struct key_file f = { .len = 0 };

	if (key_load(path, f.bytes, sizeof f.bytes, &f.len, e) < 0) {
		if (e->num == ENOENT)
			err_append(e,
				   "; make a key with 'btrfs-ktls-pipe keygen "
				   "-o %s', or copy the other host's",
				   path);
	} else if (f.len > KEY_FILE_MAX) {
		err_set(e, ERR_KEY, 0,
			"is too long for a key: at most %d bytes are possible; "
			"make one with " KEYGEN,
			SECRET_MAX);
	} else if (key_parse(f.bytes, f.len, k, e) == 0) {
		return 0;
	}
	return err_wrap(e, "key file %s", key_file_name(path));
}

/*
 * Take the first line, as openssl's file: and sshpass -f do.  Blanks and
 * quotation marks may be part of a password.
 */
static int key_take_password(const struct key_file *f, struct secret *password,
			     struct err *e)
{
	struct key_text t, more;

	if (key_text_begin(&t, f->bytes, f->len, e) < 0)
		return -1;
	if (!key_text_next(&t) || !t.len)
		return err_set(e, ERR_KEY, 0,
			       "its first line, the password, is empty");
	if (t.len > SECRET_MAX)
		return err_set(e, ERR_KEY, 0,
			       "its first line is too long for a password: at "
			       "most %d bytes are possible",
			       SECRET_MAX);
	if (memchr(t.line, '\0', t.len) || memchr(t.line, '\r', t.len))
		return err_set(e, ERR_KEY, 0,
			       "is not text: a password is a line of text");
	more = t;
	if (key_text_comment(&t) && key_text_next_entry(&more))
		return err_set(e, ERR_KEY, 0,
			       "its first line is the password, but looks like "
			       "a comment, and line %zu like the password; "
			       "remove one of the two",
			       more.number);
	memcpy(password->bytes, t.line, t.len);
	password->len = t.len;
	return 0;
}

int key_read_password(const char *path, struct secret *password, struct err *e)
{
	autowipe_key_file struct key_file f = { .len = 0 };

	if (key_load(path, f.bytes, sizeof f.bytes, &f.len, e) < 0 ||
	    key_take_password(&f, password, e) < 0)
		return err_wrap(e, "password file %s", key_file_name(path));
	return 0;
}

static int key_format_pem(const struct secret *s, struct key_file *out)
{
	attr_cleanup(key_datum_wipe) gnutls_datum_t pem = { NULL, 0 };
	gnutls_datum_t raw = { (uint8_t *)s->bytes, (unsigned int)s->len };
	int ret = gnutls_pem_base64_encode2(PEM_LABEL, &raw, &pem);

	if (ret < 0)
		return ret;
	if (pem.size > sizeof out->bytes)
		return GNUTLS_E_SHORT_MEMORY_BUFFER;
	memcpy(out->bytes, pem.data, pem.size);
	out->len = pem.size;
	return 0;
}

static void key_format_line(const struct secret *s, const char *identity,
			    struct key_file *out)
{
	char *text = (char *)out->bytes;
	int n = snprintf(text, sizeof out->bytes, "%s:", identity);

	key_text_hex(s->bytes, s->len, text + n);
	out->len = (size_t)n + 2 * s->len;
	text[out->len++] = '\n';
}

/* Make the contents of a new key file. */
static int key_make(const char *identity, struct key_file *out, struct err *e)
{
	autowipe struct secret s = { .len = KEY_NEW_BYTES };
	int ret = gnutls_rnd(GNUTLS_RND_KEY, s.bytes, s.len);

	if (ret >= 0 && identity)
		key_format_line(&s, identity, out);
	else if (ret >= 0)
		ret = key_format_pem(&s, out);
	if (ret < 0)
		return err_set(e, ERR_KEY, 0, "cannot make a key: %s",
			       gnutls_strerror(ret));
	return 0;
}

static int key_store(int fd, const struct key_file *out, const char *path,
		     struct err *e)
{
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
		return err_set(e, ERR_IO, errno, "cannot set the mode of %s",
			       path);
	if (io_write_all(fd, out->bytes, out->len, path, e) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_set(e, ERR_IO, errno, "cannot write %s", path);
	return 0;
}

static int key_write_stdout(const struct key_file *out, struct err *e)
{
	struct stat st;

	if (io_write_all(STDOUT_FILENO, out->bytes, out->len, "standard output",
			 e) < 0)
		return -1;
	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & (S_IRWXG | S_IRWXO)))
		log_notice("the key went into a file that is open to others; "
			   "use 'keygen -o FILE', or 'chmod 600' it");
	return 0;
}

int key_generate(const char *path, const char *identity, struct err *e)
{
	autowipe_key_file struct key_file out = { .len = 0 };
	autoclose int fd = -1;

	if (key_make(identity, &out, e) < 0)
		return -1;
	if (!path || !strcmp(path, "-"))
		return key_write_stdout(&out, e);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  S_IRUSR | S_IWUSR);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_KEY, 0,
			       "will not overwrite %s: remove it, or give "
			       "another name",
			       path);
	if (fd < 0)
		return err_set(e, ERR_KEY, errno, "cannot create key file %s",
			       path);
	if (key_store(fd, &out, path, e) < 0 || close(steal_fd(&fd)) < 0) {
		if (!e->kind)
			err_set(e, ERR_IO, errno, "cannot write %s", path);
		unlink(path);
		return -1;
	}
	return 0;
}
