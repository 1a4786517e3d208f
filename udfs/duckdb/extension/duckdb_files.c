#include "duckdb_files.h"

#include <string.h>

static int open_file(Files *files, const char *path, void **file, int64_t *size, Message *message)
{
    duckdb_file_handle handle = NULL;
    duckdb_file_open_options options = duckdb.create_file_open_options();
    duckdb.file_open_options_set_flag(options, DUCKDB_FILE_READ, true);
    duckdb_state state = duckdb.file_system_open(files->context, path, options, &handle);
    duckdb.destroy_file_open_options(&options);
    if (state != 0 || handle == NULL) {
        duckdb_error_data error = duckdb.file_system_error_data(files->context);
        const char *said = error ? duckdb.error_data_message(error) : NULL;
        fail(message, "%s cannot be opened: %s", path, said ? said : "no reason is known");
        if (error)
            duckdb.destroy_error_data(&error);
        return 1;
    }
    *file = handle;
    *size = duckdb.file_handle_size(handle);
    return 0;
}

static int read_file(Files *files, void *file, int64_t position, void *buffer, int64_t size,
                     Message *message)
{
    (void)files;
    if (duckdb.file_handle_seek(file, position) != 0)
        return fail(message, "it cannot be read at byte %lld", (long long)position);
    for (int64_t done = 0; done < size;) {
        int64_t got = duckdb.file_handle_read(file, (char *)buffer + done, size - done);
        if (got <= 0 || got > size - done)
            return fail(message, "it cannot be read at byte %lld", (long long)(position + done));
        done += got;
    }
    return 0;
}

static void close_file(Files *files, void *file)
{
    duckdb_file_handle handle = file;
    (void)files;
    duckdb.destroy_file_handle(&handle);
}

Files duckdb_files(duckdb_file_system file_system)
{
    Files files = {file_system, open_file, read_file, close_file};
    return files;
}
