/* A registry's records are JSON objects of texts and positive integers: no more is understood. */

#include "record.h"

#include <string.h>

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* The end of the text that begins after a quote; NULL where it is no JSON text. */
static const char *text_end(const char *at, int *escapes)
{
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at != '\\')
            continue;
        *escapes = 1;
        at++;
        if (*at == 'u') {
            if (strspn(at + 1, "0123456789abcdefABCDEF") < 4)
                return NULL;
            at += 4;
        } else if (*at == 0 || strchr("\"\\/bfnrt", *at) == NULL) {
            return NULL;
        }
    }
    return at;
}

static const char *read_text(const char *at, RecordField *field)
{
    int escapes = 0;
    const char *end = *at == '"' ? text_end(at + 1, &escapes) : NULL;
    if (end == NULL)
        return NULL;
    if (field->text != NULL) {
        int64_t length = end - at - 1;
        if (escapes || length >= field->text_size)
            return NULL;
        memcpy(field->text, at + 1, (size_t)length);
        field->text[length] = 0;
    }
    return end + 1;
}

static const char *read_number(const char *at, RecordField *field)
{
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 18 || *at == '0')
        return NULL;
    for (field->number = 0; digits > 0; digits--, at++)
        field->number = field->number * 10 + (*at - '0');
    return at;
}

static const char *read_member(const char *at, RecordField *fields, int count)
{
    int escapes = 0;
    const char *end = *at == '"' ? text_end(at + 1, &escapes) : NULL;
    if (end == NULL || escapes)
        return NULL;
    size_t length = (size_t)(end - at - 1);
    for (int i = 0; i < count; i++) {
        RecordField *field = &fields[i];
        if (strlen(field->name) != length || memcmp(field->name, at + 1, length) != 0)
            continue;
        at = skip_space(end + 1);
        if (field->seen || *at != ':')
            return NULL;
        field->seen = 1;
        at = skip_space(at + 1);
        return field->is_number ? read_number(at, field) : read_text(at, field);
    }
    return NULL;
}

int read_record(const char *bytes, RecordField *fields, int count)
{
    const char *at = skip_space(bytes);
    if (*at != '{')
        return 1;
    do {
        at = read_member(skip_space(at + 1), fields, count);
        if (at == NULL)
            return 1;
        at = skip_space(at);
    } while (*at == ',');
    if (*at != '}' || *skip_space(at + 1) != 0)
        return 1;
    for (int i = 0; i < count; i++)
        if (!fields[i].seen)
            return 1;
    return 0;
}
