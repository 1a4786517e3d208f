/* Reads the program out of a .foresql file: docs/bundle-format.md, ir/archive.py, ir/bundle.py.
 *
 * A bundle is a zip file in exactly one spelling: stored members, one after the other, with fixed
 * times and rights. The directory at its end must describe the file without a gap. Of the members,
 * the manifest, its digest and the program are read: the digest is the sha256 of the manifest, and
 * the manifest holds that of the program. Nothing is believed before it is checked, and nothing is
 * sized by what a file claims beyond the file's own size.
 */

#include "bundle_file.h"

#include <stdlib.h>
#include <string.h>

#include "sha256.h"

#define LOCAL 30
#define CENTRAL 46
#define END 22
#define MOST_BYTES ((int64_t)4294967296 - 16777216)
#define MOST_DIRECTORY ((int64_t)64 << 20)
#define MOST_MANIFEST ((int64_t)256 << 20)
#define NEWEST_FORMAT 2

#define MANIFEST "manifest.json"
#define DIGEST "manifest.sha256"
#define PROGRAM "program.bin"

typedef struct {
    int64_t header; /* where its local header lies */
    int64_t start;
    int64_t size; /* -1: there is no such member */
    unsigned char crc[4];
} Member;

typedef struct {
    Member manifest, digest, program;
} Members;

static int64_t number(const unsigned char *bytes, int width)
{
    int64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static int malformed(Message *message, const char *what)
{
    return fail(message,
                "%s is not as foresql writes it: the file is truncated, edited, compressed, of a "
                "later foresql, or no bundle",
                what);
}

/* The bytes of an entry of the directory that are always the same, but for its signature. */
static int is_plain_entry(const unsigned char *entry)
{
    static const unsigned char before_crc[] = {'P', 'K', 1, 2, 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 33, 0};
    static const unsigned char after_name[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xA4, 0x81};
    return memcmp(entry, before_crc, sizeof before_crc) == 0 &&
           memcmp(entry + 30, after_name, sizeof after_name) == 0 &&
           memcmp(entry + 20, entry + 24, 4) == 0;
}

static Member *wanted(Members *members, const unsigned char *name, int64_t length)
{
    static const char *const names[] = {MANIFEST, DIGEST, PROGRAM};
    Member *each[] = {&members->manifest, &members->digest, &members->program};
    for (int i = 0; i < 3; i++)
        if ((size_t)length == strlen(names[i]) && memcmp(name, names[i], (size_t)length) == 0)
            return each[i];
    return NULL;
}

/* Walk the directory; end is where it begins in the file, which is where the members end. */
static int walk_directory(const unsigned char *directory, int64_t size, int64_t count, int64_t end,
                          Members *members, Message *message)
{
    int64_t at = 0, position = 0;
    for (int64_t i = 0; i < count; i++) {
        const unsigned char *entry = directory + at;
        if (size - at < CENTRAL || !is_plain_entry(entry))
            return malformed(message, "Its directory");
        int64_t length = number(entry + 28, 2), bytes = number(entry + 20, 4);
        if (size - at - CENTRAL < length || number(entry + 42, 4) != position)
            return malformed(message, "Its directory");
        Member *member = wanted(members, entry + CENTRAL, length);
        if (member != NULL) {
            if (member->size >= 0)
                return malformed(message, "Its directory");
            member->header = position;
            member->start = position + LOCAL + length;
            member->size = bytes;
            memcpy(member->crc, entry + 16, 4);
        }
        position += LOCAL + length + bytes;
        if (position > end)
            return malformed(message, "Its directory");
        at += CENTRAL + length;
    }
    return at == size && position == end ? 0 : malformed(message, "Its directory");
}

static int read_directory(Files *files, void *file, int64_t size, Members *members,
                          Message *message)
{
    unsigned char end[END];
    if (size < END || size > MOST_BYTES)
        return malformed(message, "Its size");
    if (files->read(files, file, size - END, end, END, message))
        return 1;
    int64_t count = number(end + 10, 2), bytes = number(end + 12, 4), start = number(end + 16, 4);
    if (memcmp(end, "PK\5\6\0\0\0\0", 8) != 0 || number(end + 8, 2) != count ||
        start + bytes + END != size || number(end + 20, 2) != 0 || bytes > MOST_DIRECTORY)
        return malformed(message, "Its end");
    unsigned char *directory = malloc((size_t)bytes + 1);
    if (directory == NULL)
        return fail(message, "there is no memory for its directory");
    int failed = files->read(files, file, start, directory, bytes, message) ||
                 walk_directory(directory, bytes, count, start, members, message);
    free(directory);
    return failed;
}

/* Read a member behind its local header, which must agree with the directory. */
static void *read_member(Files *files, void *file, const Member *member, const char *name,
                         Message *message)
{
    static const unsigned char before_crc[] = {'P', 'K', 3, 4, 20, 0, 0, 0, 0, 0, 0, 0, 33, 0};
    unsigned char header[LOCAL + sizeof DIGEST];
    size_t length = strlen(name);
    if (files->read(files, file, member->header, header, LOCAL + (int64_t)length, message))
        return NULL;
    if (memcmp(header, before_crc, sizeof before_crc) != 0 ||
        memcmp(header + 14, member->crc, 4) != 0 || number(header + 18, 4) != member->size ||
        number(header + 22, 4) != member->size || number(header + 26, 2) != (int64_t)length ||
        number(header + 28, 2) != 0 || memcmp(header + LOCAL, name, length) != 0) {
        malformed(message, "A member's header");
        return NULL;
    }
    char *bytes = malloc((size_t)member->size + 1);
    if (bytes == NULL) {
        fail(message, "there is no memory for its %lld bytes", (long long)member->size);
        return NULL;
    }
    bytes[member->size] = 0;
    if (files->read(files, file, member->start, bytes, member->size, message) == 0)
        return bytes;
    free(bytes);
    return NULL;
}

/* Find what follows a text that a manifest holds exactly once. */
static const char *after_only(const char *manifest, int64_t size, const char *text)
{
    size_t length = strlen(text);
    const char *found = NULL, *end = manifest + size;
    for (const char *at = manifest; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        if ((size_t)(end - at) < length || memcmp(at, text, length) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = at + length;
    }
    return found;
}

/* The manifest is JSON with an indent of one: members of its own level follow "\n ". */
static int read_manifest(const char *manifest, int64_t size, char program_digest[65],
                         Message *message)
{
    const char *format = after_only(manifest, size, "\n \"format_version\": ");
    long version = format ? strtol(format, NULL, 10) : 0;
    if (version < 1)
        return malformed(message, "Its manifest");
    if (version > NEWEST_FORMAT)
        return fail(message, "it has format version %ld, and this extension reads up to %d. Install "
                    "a newer foresql", version, NEWEST_FORMAT);
    const char *digest = after_only(manifest, size, "\n \"program\": \"");
    if (digest == NULL || manifest + size - digest < 65 || digest[64] != '"')
        return fail(message, "it holds no native program: a step of its model has none, or an "
                    "older foresql wrote it. Register it from Python (foresql.register), or publish "
                    "it again");
    memcpy(program_digest, digest, 64);
    program_digest[64] = 0;
    return is_digest(program_digest) ? 0 : malformed(message, "Its manifest");
}

static int check_manifest(Files *files, const Members *members, const char *expected,
                          BundleFile *bundle, Message *message)
{
    int failed = 1;
    char *stated = NULL, *manifest = NULL;
    if (members->manifest.size < 0 || members->manifest.header != 0 || members->digest.size != 64)
        return malformed(message, "Its directory");
    if (members->manifest.size > MOST_MANIFEST)
        return fail(message, "its manifest has more than 256 MiB");
    stated = read_member(files, bundle->file, &members->digest, DIGEST, message);
    if (stated != NULL)
        manifest = read_member(files, bundle->file, &members->manifest, MANIFEST, message);
    if (manifest != NULL) {
        sha256(manifest, members->manifest.size, bundle->digest);
        if (strcmp(stated, bundle->digest) != 0)
            fail(message, "its manifest was edited: its sha256 is %.12s..., not %.12s...",
                 bundle->digest, stated);
        else if (expected != NULL && strcmp(expected, bundle->digest) != 0)
            fail(message, "it is another bundle: its sha256 is %.12s..., not %.12s...", bundle->digest,
                 expected);
        else
            failed = read_manifest(manifest, members->manifest.size, bundle->program_digest,
                                   message);
    }
    free(stated);
    free(manifest);
    return failed;
}

static int not_whole(const char *path, Message *message)
{
    Message why = *message;
    return fail(message, "%s cannot be used: %.1200s.", path, why.text);
}

int open_bundle(Files *files, const char *path, const char *expected, BundleFile *bundle,
                Message *message)
{
    int64_t size = 0;
    Member none = {0, 0, -1, {0}};
    Members members = {none, none, none};
    memset(bundle, 0, sizeof *bundle);
    if (files->open(files, path, &bundle->file, &size, message))
        return 1;
    int failed = read_directory(files, bundle->file, size, &members, message) ||
                 check_manifest(files, &members, expected, bundle, message);
    if (!failed && members.program.size < 0)
        failed = malformed(message, "Its directory");
    if (failed) {
        close_bundle(files, bundle);
        return not_whole(path, message);
    }
    bundle->program_start = members.program.start;
    bundle->program_size = members.program.size;
    return 0;
}

void *read_program(Files *files, const char *path, const BundleFile *bundle, Message *message)
{
    char digest[65];
    void *program = malloc((size_t)bundle->program_size + 1);
    if (program == NULL)
        fail(message, "there is no memory for its %lld bytes", (long long)bundle->program_size);
    else if (files->read(files, bundle->file, bundle->program_start, program, bundle->program_size,
                         message) == 0) {
        sha256(program, bundle->program_size, digest);
        if (strcmp(digest, bundle->program_digest) == 0)
            return program;
        fail(message, "its program was edited: its sha256 is not the one in the manifest");
    }
    free(program);
    not_whole(path, message);
    return NULL;
}

void close_bundle(Files *files, BundleFile *bundle)
{
    if (bundle->file != NULL)
        files->close(files, bundle->file);
    bundle->file = NULL;
}
