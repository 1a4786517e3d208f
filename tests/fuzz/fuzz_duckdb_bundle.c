/* Fuzz the extension's reader of bundles: any bytes are refused, or give a program of their own.
 *
 * A digest would stop a plain fuzzer at the door. So the mutator takes a bundle apart, edits a
 * member, and packs and signs all again: it does what an attacker would. Then it may still put an odd
 * number into the directory, or cut it.
 */

#include "../../kernels/native/program.h"
#include "../../udfs/duckdb/extension/bundle_file.h"
#include "../../udfs/duckdb/extension/sha256.h"
#include "memory_files.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

enum { LOCAL = 30, CENTRAL = 46, END = 22, DIGEST = 64, MOST_PARTS = 256, MOST_GROWTH = 256 };

/* ------------------------------------------------------------------------------------- reading */

static void open_program(void *bytes, int64_t size) {
    Message message = {""};
    Program *program;
    if (foresql_program_open(bytes, size, &program, message.text, sizeof message.text) == 0)
        foresql_program_close(program);
    else require(message.text[0] != 0, "a program is refused without words");
}

static void use_bundle(Files *files, const BundleFile *bundle, int64_t size) {
    char digest[DIGEST + 1];
    Message message;
    memset(&message, 0xAA, sizeof message);
    require(is_digest(bundle->digest) && is_digest(bundle->program_digest), "a digest is none");
    require(bundle->program_start >= 0 && bundle->program_size >= 0 &&
                bundle->program_size <= size - bundle->program_start,
            "the program lies outside of the bundle");
    void *program = read_program(files, "m.foresql", bundle, &message);
    if (program == NULL) {
        require_words(&message);
        return;
    }
    sha256(program, bundle->program_size, digest);
    require(strcmp(digest, bundle->program_digest) == 0, "an edited program is read");
    open_program(program, bundle->program_size);
    free(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    MemoryFolder folder = {{{NULL, copied(data, size), (int64_t)size}}, 1, 0};
    Files files = memory_files(&folder);
    BundleFile bundle, again;
    Message message;
    memset(&message, 0xAA, sizeof message);
    if (open_bundle(&files, "m.foresql", NULL, &bundle, &message)) require_words(&message);
    else {
        use_bundle(&files, &bundle, (int64_t)size);
        require(open_bundle(&files, "m.foresql", bundle.digest, &again, &message) == 0,
                "a bundle is not what its digest says");
        close_bundle(&files, &again);
        bundle.digest[0] = bundle.digest[0] == '0' ? '1' : '0';
        require(open_bundle(&files, "m.foresql", bundle.digest, &again, &message) != 0,
                "another bundle is opened");
        require_words(&message);
        close_bundle(&files, &bundle);
    }
    require(folder.opened == 0, "a file stays open");
    free(folder.file[0].bytes);
    return 0;
}

/* -------------------------------------------------------------------------------------- editing */

typedef struct {
    const uint8_t *header, *name;
    uint8_t *bytes;
    size_t name_size, size;
} Part;

static size_t number(const uint8_t *bytes, int width) {
    size_t value = 0;
    for (int i = width - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

static void put_number(uint8_t *bytes, size_t value, int width) {
    for (int i = 0; i < width; i++) bytes[i] = (uint8_t)(value >> 8 * i);
}

/* List the members; 0 where these bytes are no bundle. */
static int take_apart(const uint8_t *data, size_t size, Part *parts) {
    int count = 0;
    for (size_t at = 0; size - at >= LOCAL && !memcmp(data + at, "PK\3\4", 4); count++) {
        const uint8_t *header = data + at;
        const size_t name = number(header + 26, 2), bytes = number(header + 18, 4);
        if (count == MOST_PARTS || size - at - LOCAL < name || size - at - LOCAL - name < bytes) break;
        Part part = {header, header + LOCAL, copied(header + LOCAL + name, bytes), name, bytes};
        parts[count] = part;
        at += LOCAL + name + bytes;
    }
    return count;
}

static Part *part_of(Part *parts, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (parts[i].name_size == strlen(name) && !memcmp(parts[i].name, name, strlen(name)))
            return parts + i;
    return NULL;
}

static void sign(Part *parts, int count) {
    static const char key[] = "\n \"program\": \"";
    char digest[DIGEST + 1];
    Part *manifest = part_of(parts, count, "manifest.json");
    Part *stated = part_of(parts, count, "manifest.sha256");
    const Part *program = part_of(parts, count, "program.bin");
    if (!manifest || !stated) return;
    for (size_t i = 0; program && i + sizeof key + DIGEST <= manifest->size; i++) {
        if (memcmp(manifest->bytes + i, key, sizeof key - 1)) continue;
        sha256(program->bytes, (int64_t)program->size, digest);
        memcpy(manifest->bytes + i + sizeof key - 1, digest, DIGEST);
        break;
    }
    sha256(manifest->bytes, (int64_t)manifest->size, digest);
    if (stated->size == DIGEST) memcpy(stated->bytes, digest, DIGEST);
}

/* Write a member's entry of the directory; gives its size. */
static size_t put_entry(const Part *part, size_t position, uint8_t *entry) {
    memset(entry, 0, CENTRAL);
    memcpy(entry, "PK\1\2\24\3", 6);
    memcpy(entry + 6, part->header + 4, 14);
    put_number(entry + 20, part->size, 4);
    put_number(entry + 24, part->size, 4);
    put_number(entry + 28, part->name_size, 2);
    memcpy(entry + 38, "\0\0\244\201", 4);
    put_number(entry + 42, position, 4);
    memcpy(entry + CENTRAL, part->name, part->name_size);
    return CENTRAL + part->name_size;
}

/* Pack the members as ir/archive.py does, with the checksums that they had; 0: it is too large. */
static size_t put_together(const Part *parts, int count, uint8_t *data, size_t most) {
    size_t total = END, members = 0, position = 0;
    for (int i = 0; i < count; i++) {
        members += LOCAL + parts[i].name_size + parts[i].size;
        total += LOCAL + CENTRAL + 2 * parts[i].name_size + parts[i].size;
    }
    if (total > most) return 0;
    uint8_t *entry = data + members;
    for (int i = 0; i < count; i++) {
        const Part *part = parts + i;
        entry += put_entry(part, position, entry);
        memcpy(data + position, part->header, LOCAL + part->name_size);
        put_number(data + position + 18, part->size, 4);
        put_number(data + position + 22, part->size, 4);
        position += LOCAL + part->name_size;
        memcpy(data + position, part->bytes, part->size);
        position += part->size;
    }
    memset(entry, 0, END);
    memcpy(entry, "PK\5\6", 4);
    put_number(entry + 8, (size_t)count, 2);
    put_number(entry + 10, (size_t)count, 2);
    put_number(entry + 12, (size_t)(entry - data) - members, 4);
    put_number(entry + 16, members, 4);
    return total;
}

static void edit(Part *part) {
    const size_t most = part->size + MOST_GROWTH;
    uint8_t *made = realloc(part->bytes, most);
    require(made != NULL, "no memory");
    part->size = LLVMFuzzerMutate(made, part->size, most);
    part->bytes = made;
}

/* Put an odd number into a member's entry, or into the end, which is behind the last entry. */
static void edit_directory(uint8_t *data, size_t size, const Part *parts, int count, unsigned seed) {
    static const size_t odd[] = {0, 1, 30, 255, 256, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    static const int of_entry[] = {8, 10, 16, 20, 20, 24, 28, 30, 38, 42};
    static const int of_end[] = {8, 10, 12, 16, 18};
    const int chosen = (int)(seed % (unsigned)(count + 2)), width = seed / 512 % 4 ? 4 : 2;
    const int entry = chosen > count ? count - 1 : chosen; /* the last one more often */
    uint8_t *place = data + number(data + size - END + 16, 4);
    for (int i = 0; i < entry; i++) place += CENTRAL + parts[i].name_size;
    const int field = entry == count ? of_end[seed / 64 % 5] : of_entry[seed / 64 % 10];
    size_t value = odd[seed / 2048 % (sizeof odd / sizeof *odd)];
    if (seed & 32) value = number(place + field, width) + (value & 1 ? 1 : (size_t)-1);
    put_number(place + field, value, width);
    if (field == 20) put_number(place + 24, value, width); /* a size stands there twice */
}

/* Exchange the last member and another, often the program, but not the manifest, which is first. */
static void swap_parts(Part *parts, int count, unsigned seed) {
    if (count < 3) return;
    Part *program = part_of(parts, count, "program.bin"), *last = parts + count - 1;
    Part *one = program && seed & 1 ? program : parts + 1 + seed / 2 % (unsigned)(count - 1);
    const Part kept = *one;
    *one = *last;
    *last = kept;
}

/* Take bytes from the directory's end, of which the end then says so. */
static size_t cut_directory(uint8_t *data, size_t size, unsigned seed) {
    uint8_t *end = data + size - END;
    const size_t directory = number(end + 12, 4), cut = 1 + seed % (CENTRAL + 16);
    if (cut > directory) return size;
    put_number(end + 12, directory - cut, 4);
    memmove(end - cut, end, END);
    return size - cut;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    static const char *const favourites[] = {"manifest.json", "program.bin", "manifest.sha256"};
    Part parts[MOST_PARTS];
    uint8_t *whole = copied(data, size);
    const int count = seed % 16 ? take_apart(whole, size, parts) : 0;
    size_t made = 0;
    if (count) {
        Part *part = part_of(parts, count, favourites[seed / 16 % 3]);
        edit(part && seed / 64 % 8 ? part : parts + seed / 512 % (unsigned)count);
        if (seed / 32 % 16) sign(parts, count);
        if (seed % 16 == 3 || seed % 16 == 9) swap_parts(parts, count, seed / 64);
        made = put_together(parts, count, data, most);
        if (made && seed % 8 == 1) edit_directory(data, made, parts, count, seed / 128);
        if (made && seed % 16 == 2) made = cut_directory(data, made, seed / 16);
    }
    for (int i = 0; i < count; i++) free(parts[i].bytes);
    if (!made) memcpy(data, whole, size);
    free(whole);
    return made ? made : LLVMFuzzerMutate(data, size, most);
}
