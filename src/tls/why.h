/* tls/why.h - what OpenSSL says of a failure, in words with a way out.
 *
 * OpenSSL notes errors in a queue of the calling thread: it is emptied before a call and read right after, in one step. Why a
 * certificate does not hold stands in no queue: that is heard where it is judged. */
#ifndef TLS_WHY_H
#define TLS_WHY_H

#include "tls/connection.h"

/* Why a call for `tls` failed just now: writes it to tls->why, gives which error of ours that is, and empties the queue. In a step. */
es_err esi_tls_why(es_tls *tls);

/* For SSL_CTX_set_verify(): lets OpenSSL judge, and writes to tls->why what is wrong. */
int esi_tls_verify(int is_good, X509_STORE_CTX *chain);

/* "CN=example.org,O=...", cut to `size`. NULL: "". In a step. */
void esi_tls_print_name(X509_NAME *name, char *text, size_t size);

/* The first error that OpenSSL noted, in words, and the system's number, or 0. Empties the queue. No wait may lie between. */
int esi_tls_first_words(char *text, size_t size);

#endif
