/* write.c - events become lines in a descriptor, or datagrams to journald. In the outlet's thread: it may block. */
#include "log/outlet.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL "/run/systemd/journal/socket"

/* ---------------------------------------------------------------- lines */

/* A descriptor that does not block is waited for, so that one that is slow is no failure. */
static bool write_all(struct esi_log_outlet *o, const char *bytes, size_t length)
{
    size_t written = 0;
    while (written < length) {
        ssize_t done = write(o->about.descriptor, bytes + written, length - written);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = o->about.descriptor, .events = POLLOUT};
            poll(&ready, 1, -1);
            continue;
        }
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            o->is_torn |= written > 0;
            return false;
        }
        written += (size_t)done;
    }
    o->is_torn = false;
    return true;
}

/* Under systemd stderr is the journal's, but a line there is not all that is known. */
static bool has_become_journal(struct esi_log_outlet *o)
{
    if (!o->about.is_default || o->about.owns_descriptor || getenv("ES_LOG") ||
        !esi_journal_is_behind(o->about.descriptor, getenv("JOURNAL_STREAM")))
        return false;
    int descriptor = esi_journal_open(NULL);
    if (descriptor < 0)
        return false;
    o->about.descriptor = descriptor;
    o->about.owns_descriptor = true;
    o->about.write = esi_write_journal;
    return true;
}

bool esi_write_lines(struct esi_log_outlet *o, const struct esi_log_event *event)
{
    struct esi_text line;
    if (has_become_journal(o))
        return o->about.write(o, event);
    bool is_json =
        o->about.is_default ? esi_log_format_now() == ESI_LOG_JSON : o->about.format == ES_LOG_JSON;
    esi_text_init(&line, o->out, sizeof o->out - 1);
    if (o->is_torn) /* what was half written ends here */
        esi_text_char(&line, '\n');
    size_t begin = line.length;
    struct esi_text own;
    esi_text_init(&own, o->out + begin, sizeof o->out - 1 - begin);
    if (is_json)
        esi_log_json(&own, event);
    else
        esi_log_text(&own, event, o->about.is_default && esi_log_is_coloured());
    o->out[begin + own.length] = '\n';
    return write_all(o, o->out, begin + own.length + 1);
}

/* ---------------------------------------------------------------- the journal
 *
 * A datagram of fields: NAME=value and a line end; with line ends in the value: NAME, a line end, 8 bytes of its length (little-endian), the value, a line end.
 * Source: systemd.io/JOURNAL_NATIVE_PROTOCOL. */

static void put_field(struct esi_text *to, const char *name, const char *value, size_t length)
{
    size_t needed = strlen(name) + 1 + sizeof(uint64_t) + length + 1;
    if (length == 0 || to->size - to->length <= needed)
        return;
    esi_text_str(to, name);
    if (memchr(value, '\n', length)) {
        unsigned char bytes[sizeof(uint64_t)];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
        esi_text_char(to, '\n');
        esi_text_strn(to, (const char *)bytes, sizeof bytes);
    } else {
        esi_text_char(to, '=');
    }
    esi_text_strn(to, value, length);
    esi_text_char(to, '\n');
}

static void put_text(struct esi_text *to, const char *name, const struct esi_text *value)
{
    put_field(to, name, value->bytes, value->length);
}

static void put_number(struct esi_text *to, const char *name, int value)
{
    char digits[16];
    put_field(to, name, digits, (size_t)snprintf(digits, sizeof digits, "%d", value));
}

/* "called by" becomes ENGSET_CALLED_BY: upper case, digits and underscores, and none that journald trusts. */
static void put_pair(struct esi_text *to, const struct esi_log_field *field)
{
    char name[64] = "ENGSET_";
    size_t length = strlen(name);
    for (const char *c = field->key; *c && length < sizeof name - 1; c++) {
        unsigned char one = (unsigned char)*c;
        name[length++] = isascii(one) && isalnum(one) ? (char)toupper(one) : '_';
    }
    name[length] = '\0';
    put_field(to, name, field->value, field->length);
}

bool esi_write_journal(struct esi_log_outlet *o, const struct esi_log_event *event)
{
    struct esi_text to;
    esi_text_init(&to, o->out, sizeof o->out);
    put_number(&to, "PRIORITY", event->level);
    put_field(&to, "SYSLOG_IDENTIFIER", program_invocation_short_name, strlen(program_invocation_short_name));
    put_field(&to, "MESSAGE", event->message, event->message_length);
    put_field(&to, "ENGSET_CODE", event->code, event->code ? strlen(event->code) : 0);
    put_field(&to, "CODE_FILE", event->file, event->file ? strlen(event->file) : 0);
    if (event->file)
        put_number(&to, "CODE_LINE", event->line);
    put_text(&to, "ENGSET_PID", &event->who.pid);
    put_text(&to, "ENGSET_NAME", &event->who.name);
    put_text(&to, "ENGSET_LABEL", &event->who.label);
    put_text(&to, "ENGSET_APPLICATION", &event->who.application);
    for (int i = 0; i < event->field_count; i++)
        put_pair(&to, &event->fields[i]);
    ssize_t sent;
    do {
        sent = send(o->about.descriptor, to.bytes, to.length, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

int esi_journal_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    path = path ? path : JOURNAL;
    if (strnlen(path, sizeof address.sun_path) == sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) == 0)
        return descriptor;
    int why = errno;
    close(descriptor);
    errno = why;
    return -1;
}

bool esi_journal_is_behind(int descriptor, const char *stream)
{
    struct stat at;
    unsigned long long device, inode;
    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(descriptor, &at) != 0)
        return false;
    return device == (unsigned long long)at.st_dev && inode == (unsigned long long)at.st_ino;
}
