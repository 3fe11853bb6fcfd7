// SPDX-License-Identifier: GPL-2.0-or-later
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/stat.h>

#include "io.h"
#include "log.h"

#define PEM_BEGIN "-----BEGIN"
#define PEM_LABEL "BTRFS-KTLS-PIPE PRE-SHARED KEY"

enum {
	KEY_NEW_BYTES = 32, /* bytes of a generated key */
	PASSWORD_CHARS = 32, /* a printable line below that is no key */
};

void key_wipe_file(struct key_file *f)
{
	explicit_bzero(f, sizeof *f);
}

static void key_datum_wipe(gnutls_datum_t *d)
{
	if (d->data)
		explicit_bzero(d->data, d->size);
	gnutls_free(d->data);
	d->data = NULL;
}

void key_wipe(struct key *k)
{
	explicit_bzero(k, sizeof *k);
}

static bool key_identity_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9');
}

bool key_identity_span(const char *text, size_t len)
{
	if (len < 1 || len > KEY_IDENTITY_MAX || !key_identity_char(text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!key_identity_char(text[i]) &&
		    (!text[i] || !strchr("._@-", text[i])))
			return false;
	return true;
}

bool key_identity_ok(const char *text)
{
	return key_identity_span(text, strlen(text));
}

static int key_take(struct key *k, const uint8_t *bytes, size_t len,
		    struct err *e)
{
	if (len < SECRET_MIN)
		return err_set(e, ERR_KEY, 0,
			       "the key is too short: %zu bytes, at least %d "
			       "are needed; make one with "
			       "'btrfs-ktls-pipe keygen'",
			       len, SECRET_MIN);
	if (len > SECRET_MAX)
		return err_set(e, ERR_KEY, 0,
			       "the key is too long: at most %d bytes are "
			       "possible; make one with "
			       "'btrfs-ktls-pipe keygen'",
			       SECRET_MAX);
	memcpy(k->secret.bytes, bytes, len);
	k->secret.len = len;
	return 0;
}

/* Labels of PEM blocks that are no pre-shared key; half of them are public. */
static const char *key_pem_not_ours(const uint8_t *line, size_t len)
{
	static const char *const words[] = {
		"CERTIFICATE", "CRL", "PUBLIC KEY", "PRIVATE KEY", "PARAMETERS",
		"PKCS",	       "CMS", "PGP",	    "SSH",	   "OPENVPN",
	};
	char label[80];

	log_printable(label, len < sizeof label ? len + 1 : sizeof label, line,
		      len);
	for (size_t i = 0; i < array_len(words); i++)
		if (strcasestr(label, words[i]))
			return words[i];
	return NULL;
}

static int key_parse_pem(const uint8_t *data, size_t len, const uint8_t *begin,
			 struct key *k, struct err *e)
{
	attr_cleanup(key_datum_wipe) gnutls_datum_t raw = { NULL, 0 };
	gnutls_datum_t pem = { (unsigned char *)begin, 0 };

	/* Not one of the blocks may be something else than a key. */
	for (const uint8_t *p = begin; p;
	     p = memmem(p, len - (size_t)(p - data), PEM_BEGIN,
			strlen(PEM_BEGIN))) {
		size_t rest = len - (size_t)(p - data);
		const uint8_t *eol = memchr(p, '\n', rest);
		const char *what =
			key_pem_not_ours(p, eol ? (size_t)(eol - p) : rest);

		if (what)
			return err_set(e, ERR_KEY, 0,
				       "holds a PEM block that is no "
				       "pre-shared key (%s); make one with "
				       "'btrfs-ktls-pipe keygen'",
				       what);
		if (p != begin)
			return err_set(e, ERR_KEY, 0,
				       "holds more than one PEM block; keep "
				       "the one that is meant");
		p += strlen(PEM_BEGIN);
	}
	pem.size = (unsigned int)(len - (size_t)(begin - data));
	if (gnutls_pem_base64_decode2(NULL, &pem, &raw) < 0)
		return err_set(e, ERR_KEY, 0,
			       "begins a PEM block that does not parse; copy "
			       "the whole file again");
	return key_take(k, raw.data, raw.size, e);
}

/* A hex digit's value; 0x100 for anything else.  No branch on the digit. */
static unsigned int key_nibble(uint8_t c)
{
	unsigned int digit = c - '0', alpha = (c | 0x20) - 'a';
	/* the top bit of x - n tells x < n, unless x was negative itself */
	unsigned int is_digit = ((digit - 10u) & ~digit) >> 31;
	unsigned int is_alpha = ((alpha - 6u) & ~alpha) >> 31;
	unsigned int bad = 1u - (is_digit | is_alpha);

	return ((0u - is_digit) & digit) | ((0u - is_alpha) & (alpha + 10)) |
	       bad << 8;
}

bool key_unhex(const uint8_t *hex, size_t chars, uint8_t *out)
{
	unsigned int bad = 0;

	for (size_t i = 0; i < chars / 2; i++) {
		unsigned int v = key_nibble(hex[2 * i]) << 4 |
				 key_nibble(hex[2 * i + 1]);

		bad |= v;
		out[i] = (uint8_t)v;
	}
	return !(bad & ~0xffu);
}

/* One line "identity:hex".  *found says whether it is one. */
static int key_parse_hex(const uint8_t *data, size_t len, bool *found,
			 struct key *k, struct err *e)
{
	autowipe struct secret raw = { 0 };
	const uint8_t *colon = memchr(data, ':', len);
	const uint8_t *eol = memchr(data, '\n', len), *hex;
	size_t line = eol ? (size_t)(eol - data) : len, chars;

	*found = false;
	if (line && data[line - 1] == '\r')
		line--;
	if (!colon || colon >= data + line ||
	    !key_identity_span((const char *)data, (size_t)(colon - data)))
		return 0;
	hex = colon + 1;
	chars = line - (size_t)(hex - data);
	if (!chars)
		return 0;
	for (size_t i = 0; i < chars; i++)
		if (key_nibble(hex[i]) > 0xff)
			return 0;
	*found = true;
	for (size_t i = line; i < len; i++)
		if (data[i] != '\n' && data[i] != '\r')
			return err_set(e, ERR_KEY, 0,
				       "holds more than one identity:hex line; "
				       "keep the one that is meant");
	if (chars % 2)
		return err_set(e, ERR_KEY, 0,
			       "its key has an odd number of hex digits; copy "
			       "the whole line again");
	if (chars / 2 > SECRET_MAX)
		return key_take(k, NULL, chars / 2, e);
	if (!key_unhex(hex, chars, raw.bytes))
		return err_set(e, ERR_BUG, 0, "hex digits do not parse");
	memcpy(k->identity, data, (size_t)(colon - data));
	return key_take(k, raw.bytes, chars / 2, e);
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

int key_parse(const uint8_t *data, size_t len, struct key *k, struct err *e)
{
	const uint8_t *begin = memmem(data, len, PEM_BEGIN, strlen(PEM_BEGIN));
	bool found;

	memset(k, 0, sizeof *k);
	if (!len)
		return err_set(e, ERR_KEY, 0,
			       "is empty; make a key with "
			       "'btrfs-ktls-pipe keygen'");
	if (begin)
		return key_parse_pem(data, len, begin, k, e);
	if (key_parse_hex(data, len, &found, k, e) < 0)
		return -1;
	if (found)
		return 0;
	if (key_is_ssh_public(data, len))
		return err_set(e, ERR_KEY, 0,
			       "holds a public key of OpenSSH, which is no "
			       "secret; make a key with "
			       "'btrfs-ktls-pipe keygen'");
	if (key_is_password(data, len))
		return err_set(e, ERR_KEY, 0,
			       "looks like a password, and those can be "
			       "guessed; make a key with "
			       "'btrfs-ktls-pipe keygen'");
	return key_take(k, data, len, e);
}

/* Is path below the folder that systemd makes for a unit's credentials? */
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
	if (key_is_systemd_credential(path))
		refused &= ~(mode_t)S_IRGRP;
	if (st.st_mode & refused)
		return err_set(e, ERR_KEY, 0,
			       "is open to others (mode %04o); run 'chmod 600 "
			       "%s', and replace it if others may have read "
			       "it",
			       (unsigned int)(st.st_mode & 07777),
			       strcmp(path, "-") ? path : "FILE");
	return 0;
}

static int key_cannot_open(int num, struct err *e)
{
	err_set(e, ERR_KEY, num, "cannot be opened");
	if (num == EACCES)
		err_append(e, " (readable by root only? then run this as root, "
			      "for example by sudo)");
	return -1;
}

int key_load(const char *path, uint8_t *bytes, size_t size, size_t *len,
	     struct err *e)
{
	autoclose int opened = -1;
	int fd = STDIN_FILENO;

	*len = 0;
	if (strcmp(path, "-")) {
		opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (opened < 0)
			return key_cannot_open(errno, e);
		fd = opened;
	}
	if (key_check_mode(fd, path, e) < 0)
		return -1;
	while (*len < size) {
		ssize_t n = io_read(fd, bytes + *len, size - *len);

		if (n < 0)
			return err_set(e, ERR_KEY, errno, "cannot be read");
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

static const char *key_file_name(const char *path)
{
	return strcmp(path, "-") ? path : "(standard input)";
}

static int key_read_key(const char *path, struct key_file *f, struct key *k,
			struct err *e)
{
	if (key_load(path, f->bytes, sizeof f->bytes, &f->len, e) < 0)
		return e->num == ENOENT
			       ? err_append(
					 e,
					 "; make a key with 'btrfs-ktls-pipe "
					 "keygen -o %s', or name another "
					 "with -k",
					 path)
			       : -1;
	if (f->len > KEY_FILE_MAX)
		return err_set(e, ERR_KEY, 0,
			       "is too long for a key: at most %d bytes are "
			       "possible; make one with "
			       "'btrfs-ktls-pipe keygen'",
			       SECRET_MAX);
	return key_parse(f->bytes, f->len, k, e);
}

int key_read(const char *path, struct key *k, struct err *e)
{
	autowipe_key_file struct key_file f = { .len = 0 };

	if (key_read_key(path, &f, k, e) < 0)
		return err_wrap(e, "key file %s", key_file_name(path));
	return 0;
}

static int key_take_password(const struct key_file *f, struct secret *password,
			     struct err *e)
{
	const uint8_t *eol = memchr(f->bytes, '\n', f->len);
	size_t len = eol ? (size_t)(eol - f->bytes) : f->len;

	if (len && f->bytes[len - 1] == '\r')
		len--;
	if (!len)
		return err_set(e, ERR_KEY, 0,
			       "its first line, the password, is empty");
	if (len > SECRET_MAX)
		return err_set(e, ERR_KEY, 0,
			       "its first line is too long for a password: at "
			       "most %d bytes are possible",
			       SECRET_MAX);
	if (memchr(f->bytes, '\0', len))
		return err_set(e, ERR_KEY, 0,
			       "is not text: a password is a line of text");
	memcpy(password->bytes, f->bytes, len);
	password->len = len;
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

static int key_make_pem(gnutls_datum_t *pem, struct err *e)
{
	autowipe struct secret s = { .len = KEY_NEW_BYTES };
	gnutls_datum_t raw = { s.bytes, KEY_NEW_BYTES };
	int ret = gnutls_rnd(GNUTLS_RND_KEY, s.bytes, s.len);

	if (ret >= 0)
		ret = gnutls_pem_base64_encode2(PEM_LABEL, &raw, pem);
	if (ret < 0)
		return err_set(e, ERR_KEY, 0, "cannot make a key: %s",
			       gnutls_strerror(ret));
	return 0;
}

static int key_store(int fd, const gnutls_datum_t *pem, const char *path,
		     struct err *e)
{
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
		return err_set(e, ERR_IO, errno, "cannot set the mode of %s",
			       path);
	if (io_write_all(fd, pem->data, pem->size, path, e) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_set(e, ERR_IO, errno, "cannot write %s", path);
	return 0;
}

static int key_write_stdout(const gnutls_datum_t *pem, struct err *e)
{
	struct stat st;

	if (io_write_all(STDOUT_FILENO, pem->data, pem->size, "standard output",
			 e) < 0)
		return -1;
	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & (S_IRWXG | S_IRWXO)))
		log_notice("the key went into a file that is open to others; "
			   "use 'keygen -o FILE', or 'chmod 600' it");
	return 0;
}

int key_generate(const char *path, struct err *e)
{
	attr_cleanup(key_datum_wipe) gnutls_datum_t pem = { NULL, 0 };
	autoclose int fd = -1;

	if (key_make_pem(&pem, e) < 0)
		return -1;
	if (!path || !strcmp(path, "-"))
		return key_write_stdout(&pem, e);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  S_IRUSR | S_IWUSR);
	if (fd < 0)
		return err_set(e, ERR_KEY, errno,
			       errno == EEXIST ? "will not overwrite %s"
					       : "cannot create key file %s",
			       path);
	if (key_store(fd, &pem, path, e) < 0 || close(steal_fd(&fd)) < 0) {
		if (!e->kind)
			err_set(e, ERR_IO, errno, "cannot write %s", path);
		unlink(path);
		return -1;
	}
	return 0;
}
