/* buffer.c - see buffer.h. */
#include "tls/buffer.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN = 4096 };

static size_t there(const struct esi_tls_buffer *buffer)
{
    return buffer->end - buffer->start;
}

bool esi_tls_buffer_room(struct esi_tls_buffer *buffer, size_t more)
{
    if (there(buffer) == 0)
        buffer->start = buffer->end = 0;
    if (buffer->size - buffer->end >= more)
        return true;
    if (buffer->start > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, there(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    size_t wanted = buffer->end + more;
    if (wanted < 2 * buffer->size && buffer->size - buffer->end < more)
        wanted = 2 * buffer->size;
    if (buffer->size >= wanted)
        return true;
    wanted = (wanted + GRAIN - 1) / GRAIN * GRAIN;
    char *bytes = realloc(buffer->bytes, wanted);
    if (!bytes)
        return false;
    buffer->bytes = bytes;
    buffer->size = wanted;
    return true;
}

void esi_tls_buffer_trim(struct esi_tls_buffer *buffer, size_t size)
{
    if (there(buffer) == 0 && buffer->size > size)
        esi_tls_buffer_free(buffer);
}

void esi_tls_buffer_free(struct esi_tls_buffer *buffer)
{
    free(buffer->bytes);
    memset(buffer, 0, sizeof *buffer);
}

/* ---------------------------------------------------------------- as OpenSSL sees it */

struct pair {
    struct esi_tls_buffer *in, *out;
};

static int take(BIO *bio, char *to, size_t size, size_t *count)
{
    struct esi_tls_buffer *in = ((struct pair *)BIO_get_data(bio))->in;
    BIO_clear_retry_flags(bio);
    *count = size < there(in) ? size : there(in);
    if (*count == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, in->bytes + in->start, *count);
    in->start += *count;
    return 1;
}

static int put(BIO *bio, const char *from, size_t size, size_t *count)
{
    struct esi_tls_buffer *out = ((struct pair *)BIO_get_data(bio))->out;
    BIO_clear_retry_flags(bio);
    if (!esi_tls_buffer_room(out, size))
        return 0;
    memcpy(out->bytes + out->end, from, size);
    out->end += size;
    *count = size;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int destroy(BIO *bio)
{
    free(BIO_get_data(bio));
    return 1;
}

static BIO_METHOD *method;

/* Kept as long as the program runs. */
static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "engset");
    if (!method)
        return;
    BIO_meth_set_read_ex(method, take);
    BIO_meth_set_write_ex(method, put);
    BIO_meth_set_ctrl(method, control);
    BIO_meth_set_destroy(method, destroy);
}

BIO *esi_tls_bio(struct esi_tls_buffer *in, struct esi_tls_buffer *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    struct pair *pair = malloc(sizeof *pair);
    BIO *bio = pair && method ? BIO_new(method) : NULL;
    if (!bio) {
        free(pair);
        return NULL;
    }
    *pair = (struct pair){in, out};
    BIO_set_data(bio, pair);
    BIO_set_init(bio, 1);
    return bio;
}
