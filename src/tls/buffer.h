/* tls/buffer.h - memory that OpenSSL reads from and writes to as if it were a socket.
 *
 * The memory is malloc's: it grows in steps, where nothing of Engset may be called. */
#ifndef TLS_BUFFER_H
#define TLS_BUFFER_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

/* [start, end) is there. `end` goes back to 0 when all is taken. */
struct esi_tls_buffer {
    char *bytes;
    size_t start, end, size;
};

/* Makes room for `more` bytes behind the end. False: no memory. */
bool esi_tls_buffer_room(struct esi_tls_buffer *buffer, size_t more);

/* Gives back the memory of an empty one that is larger than `size`. */
void esi_tls_buffer_trim(struct esi_tls_buffer *buffer, size_t size);

void esi_tls_buffer_free(struct esi_tls_buffer *buffer);

/* A BIO that reads from `in` ("not now" when that is empty) and writes to `out`, which grows; both must outlive it. NULL: no memory. */
BIO *esi_tls_bio(struct esi_tls_buffer *in, struct esi_tls_buffer *out);

#endif
