/* DuckDB refuses messages that are no UTF-8, and a name in a message may come from any file. */

#include "message.h"

#include <stdarg.h>
#include <stdio.h>

/* How many bytes the character at text has; 0 where it is none. */
static int character_length(const unsigned char *text)
{
    static const unsigned char first_low[] = {0xC2, 0xE0, 0xF0};
    static const unsigned char first_high[] = {0xDF, 0xEF, 0xF4};
    if (text[0] < 0x80)
        return 1;
    for (int extra = 1; extra <= 3; extra++) {
        if (text[0] < first_low[extra - 1] || text[0] > first_high[extra - 1])
            continue;
        for (int i = 1; i <= extra; i++)
            if ((text[i] & 0xC0) != 0x80)
                return 0;
        int is_long = (text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xF0 && text[1] < 0x90);
        int is_surrogate = text[0] == 0xED && text[1] > 0x9F;
        int is_beyond = text[0] == 0xF4 && text[1] > 0x8F;
        return is_long || is_surrogate || is_beyond ? 0 : extra + 1;
    }
    return 0;
}

void make_utf8(char *text)
{
    while (*text) {
        int length = character_length((const unsigned char *)text);
        if (length == 0)
            *text = '?';
        text += length ? length : 1;
    }
}

int fail(Message *message, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message->text, sizeof message->text, format, arguments);
    va_end(arguments);
    make_utf8(message->text);
    return 1;
}
