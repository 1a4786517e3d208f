/* Finds a model's bundle in a registry: registry/layout.py, records.py, journal.py.
 *
 * Names were checked before they become parts of a path. Records are immutable, and a record must
 * say the same of itself as its place does.
 */

#include "registry_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "record.h"
#include "reference.h"
#include "sha256.h"

#define DIGITS "0123456789"
#define MOST_RECORD (1 << 20)
#define NEWEST_FORMAT 1

typedef struct {
    int64_t first, last; /* 0: none */
    int64_t count;
} Journal;

typedef struct {
    char text[400];
} Listing;

static int make_path(char path[MOST_PATH], Message *message, const char *format, const char *root,
                     const char *one, const char *two)
{
    if (snprintf(path, MOST_PATH, format, root, one, two) < MOST_PATH)
        return 0;
    return fail(message, "The path of the registry, %.80s..., is too long.", root);
}

static void note_number(void *context, const char *name)
{
    Journal *journal = context;
    size_t digits = strspn(name, DIGITS);
    if (digits < 6 || digits > 18 || strcmp(name + digits, ".json") != 0)
        return;
    int64_t number = strtoll(name, NULL, 10);
    if (journal->count++ == 0)
        journal->first = journal->last = number;
    journal->first = number < journal->first ? number : journal->first;
    journal->last = number > journal->last ? number : journal->last;
}

static void note_name(void *context, const char *name)
{
    Listing *listing = context;
    size_t used = strlen(listing->text);
    if (used + strlen(name) + 3 < sizeof listing->text)
        snprintf(listing->text + used, sizeof listing->text - used, "%s%s", used ? ", " : "", name);
}

/* Read a whole small file: memory for free(), ending with a 0. */
static char *read_small(Files *files, const char *path, Message *message)
{
    void *file;
    int64_t size;
    char *bytes = NULL;
    if (files->open(files, path, &file, &size, message))
        return NULL;
    if (size < 0 || size > MOST_RECORD || (bytes = malloc((size_t)size + 1)) == NULL) {
        fail(message, "The record %s is too large.", path);
    } else if (files->read(files, file, 0, bytes, size, message)) {
        free(bytes);
        bytes = NULL;
    } else {
        bytes[size] = 0;
        if (strlen(bytes) != (size_t)size)
            bytes[0] = 0; /* a 0 inside: no JSON */
    }
    files->close(files, file);
    return bytes;
}

static int read_fields(Files *files, const char *path, RecordField *fields, int count,
                       Message *message)
{
    char *bytes = read_small(files, path, message);
    if (bytes == NULL)
        return 1;
    int failed = read_record(bytes, fields, count);
    free(bytes);
    return failed ? fail(message, "The record %s is damaged. Copy this file back from a backup of "
                         "the registry.", path)
                  : 0;
}

static int check_registry(Files *files, const char *root, Message *message)
{
    char path[MOST_PATH];
    RecordField format = {"format_version", 1, NULL, 0, 0, 0};
    Message why;
    if (make_path(path, message, "%s/foresql-registry.json%s%s", root, "", ""))
        return 1;
    if (read_fields(files, path, &format, 1, &why))
        return fail(message, "There is no registry at %.400s (%.800s). Name its folder: SET "
                    "foresql_registry = '...', or set FORESQL_REGISTRY.", root, why.text);
    if (format.number > NEWEST_FORMAT)
        return fail(message, "The registry at %s has format version %lld, and this extension reads "
                    "up to %d. Install a newer foresql.", root, (long long)format.number,
                    NEWEST_FORMAT);
    return 0;
}

/* Read a version's record: its name, as it is spelled, and its bundle's digest. */
static int read_version(Files *files, const char *root, const Reference *reference, int64_t version,
                        char spelled[NAME_SIZE], char digest[65], Message *message)
{
    char path[MOST_PATH], file[32], lower[NAME_SIZE], lower_spelled[NAME_SIZE];
    RecordField fields[] = {{"name", 0, spelled, NAME_SIZE, 0, 0},
                            {"version", 1, NULL, 0, 0, 0},
                            {"digest", 0, digest, 65, 0, 0},
                            {"created_at", 0, NULL, 0, 0, 0},
                            {"created_by", 0, NULL, 0, 0, 0},
                            {"description", 0, NULL, 0, 0, 0}};
    copy_lower(lower, reference->name);
    snprintf(file, sizeof file, "%06lld.json", (long long)version);
    if (make_path(path, message, "%s/models/%s/versions/%s", root, lower, file) ||
        read_fields(files, path, fields, 6, message))
        return 1;
    copy_lower(lower_spelled, spelled);
    if (fields[1].number != version || strcmp(lower, lower_spelled) != 0 || !is_digest(digest))
        return fail(message, "The record %s is damaged: it is of another version.", path);
    return 0;
}

static int read_alias(Files *files, const char *root, const Reference *reference, int64_t *version,
                      Message *message)
{
    char folder[MOST_PATH], path[MOST_PATH], file[32], name[NAME_SIZE], alias[NAME_SIZE];
    char lower[NAME_SIZE], lower_alias[NAME_SIZE];
    Journal moves = {0, 0, 0};
    Listing known = {""};
    RecordField fields[] = {{"name", 0, name, NAME_SIZE, 0, 0},  {"alias", 0, alias, NAME_SIZE, 0, 0},
                            {"sequence", 1, NULL, 0, 0, 0},      {"version", 1, NULL, 0, 0, 0},
                            {"moved_at", 0, NULL, 0, 0, 0},      {"moved_by", 0, NULL, 0, 0, 0},
                            {"reason", 0, NULL, 0, 0, 0}};
    copy_lower(lower, reference->name);
    copy_lower(lower_alias, reference->alias);
    if (make_path(folder, message, "%s/models/%s/aliases/%s", root, lower, lower_alias))
        return 1;
    list_folder(folder, note_number, &moves);
    if (moves.count > 0) {
        snprintf(file, sizeof file, "/%06lld.json", (long long)moves.last);
        if (make_path(path, message, "%s%s%s", folder, file, "") ||
            read_fields(files, path, fields, 7, message))
            return 1;
        if (strcmp(name, reference->name) != 0 || fields[2].number != moves.last)
            return fail(message, "The record %s is damaged: it is of another move.", path);
        *version = fields[3].number;
        if (strcmp(alias, reference->alias) == 0)
            return 0;
    }
    if (make_path(folder, message, "%s/models/%s/aliases%s", root, lower, ""))
        return 1;
    list_folder(folder, note_name, &known);
    return fail(message, "Model '%s' has no alias '%s'. There is: %s.", reference->name,
                reference->alias, known.text[0] ? known.text : "none");
}

/* Say which version is meant, of a model that must be there. */
static int find_version(Files *files, const char *root, const Reference *reference,
                        int64_t *version, Message *message)
{
    char folder[MOST_PATH], lower[NAME_SIZE], spelled[NAME_SIZE] = "", digest[65];
    Journal versions = {0, 0, 0};
    Listing known = {""};
    copy_lower(lower, reference->name);
    if (make_path(folder, message, "%s/models/%s/versions%s", root, lower, ""))
        return 1;
    list_folder(folder, note_number, &versions);
    if (versions.count > 0 && read_version(files, root, reference, versions.first, spelled, digest,
                                           message))
        return 1;
    if (strcmp(spelled, reference->name) != 0) {
        if (make_path(folder, message, "%s/models%s%s", root, "", ""))
            return 1;
        list_folder(folder, note_name, &known);
        return fail(message, "There is no model '%s' in %s. There is: %s.", reference->name, root,
                    spelled[0] ? spelled : known.text[0] ? known.text : "none");
    }
    if (reference->alias[0])
        return read_alias(files, root, reference, version, message);
    *version = reference->version ? reference->version : versions.last;
    if (!reference->version && versions.count > 1)
        return fail(message, "Model '%s' has %lld versions; say which one is meant: '%s:%lld', or "
                    "an alias, '%s@...'.", reference->name, (long long)versions.count,
                    reference->name, (long long)versions.last, reference->name);
    if (*version < versions.first || *version > versions.last)
        return fail(message, "Model '%s' has no version %lld. It has versions %lld to %lld.",
                    reference->name, (long long)*version, (long long)versions.first,
                    (long long)versions.last);
    return 0;
}

/* The digest that a bundle must have follows its path, or is its name, as in a registry. */
static int place_of_path(const char *text, size_t length, BundlePlace *place, Message *message)
{
    if (make_path(place->path, message, "%s%s%s", text, "", ""))
        return 1;
    place->path[length] = 0;
    const char *slash = last_slash(place->path);
    const char *name = text[length] ? text + length + 1 : slash ? slash + 1 : place->path;
    snprintf(place->digest, sizeof place->digest, "%.64s", name);
    if (!is_digest(place->digest) || (name[64] != 0 && strcmp(name + 64, BUNDLE_SUFFIX) != 0))
        place->digest[0] = 0;
    return 0;
}

int resolve_reference(Files *files, const char *registry, const char *text, BundlePlace *place,
                      Message *message)
{
    char root[MOST_PATH], spelled[NAME_SIZE];
    const char *slash = last_slash(text);
    Reference reference;
    int64_t version = 0;
    if (bundle_path_length(text) > 0)
        return place_of_path(text, bundle_path_length(text), place, message);
    if (make_path(root, message, "%s%s%s", slash ? text : registry, "", ""))
        return 1;
    if (slash != NULL)
        root[slash - text] = 0;
    if (parse_reference(slash ? slash + 1 : text, &reference, message) ||
        check_registry(files, root, message) ||
        find_version(files, root, &reference, &version, message) ||
        read_version(files, root, &reference, version, spelled, place->digest, message))
        return 1;
    return make_path(place->path, message, "%s/bundles/%s" BUNDLE_SUFFIX "%s", root, place->digest, "");
}
