/* engset/tls.h - streams that are encrypted and whose ends prove who they are, whose calls block only the process.
 *
 * Not part of engset.h: a library of its own, libengset-tls.so (pkg-config engset-tls), which uses OpenSSL 3. Nothing else of Engset
 * does.
 *
 * What holds unless it is said otherwise: TLS 1.2 or 1.3; a client checks that the server's certificate comes from an authority that the
 * system trusts, is valid now, and is for the host that was asked for. Sessions are not resumed and not renegotiated. Deadlines are as in
 * engset/port.h, and so are es_last_detail(), which names the host, the cause and a way out, and *es_errno().
 *
 * OpenSSL works on a stack of its own, of 256 KiB, that is borrowed for the time of a step: a process needs no larger stack for it. In the
 * middle of such a step nobody is taken away by a kill; between them, and in every wait, as anywhere. A fault in OpenSSL ends the node. */
#ifndef ENGSET_TLS_H
#define ENGSET_TLS_H

#include <engset/resolve.h>

ES_BEGIN_DECLS

/* ---------------------------------------------------------------- contexts */

typedef enum es_tls_verify {
    ES_TLS_VERIFY_DEFAULT = 0, /* a client PEER, a server NONE */
    ES_TLS_VERIFY_PEER =
        1, /* the other side must prove who it is; a server then lets in only who has a certificate of `ca_file` */
    ES_TLS_VERIFY_NONE = 2, /* anybody will do: encrypted, but nobody knows to whom */
} es_tls_verify;

typedef enum es_tls_version {
    ES_TLS_VERSION_DEFAULT = 0, /* 1.2 */
    ES_TLS_1_2 = 0x0303,
    ES_TLS_1_3 = 0x0304,
} es_tls_version;

/* How to talk; zero means the default. Files are PEM, and read at once. */
typedef struct es_tls_options {
    const char *ca_file; /* the authorities to trust, instead of the system's */
    const char
        *ca_directory; /* the same, a folder made by openssl-rehash(1); may be there beside `ca_file` */
    const char *
        certificate_file; /* who we are: the certificate and what leads to its authority. A server needs one */
    const char *key_file;     /* its private key; NULL: in certificate_file */
    const char *key_password; /* of an encrypted key; NULL: none, and such a key is an error */
    const char *
        alpn; /* protocols, the best first: "h2,http/1.1". A server refuses clients that want only others; NULL: says nothing */
    es_tls_verify verify;
    es_tls_version min_version;
} es_tls_options;

/* Reads what connections of clients, or of a server, have in common, and gives a number (greater than 0) for it, which any process may
 * use, and which may be sent in messages. It is closed when this process ends, or by es_tls_context_close(); connections that were made
 * with it go on. `options` may be NULL for a client. Make one for many connections: reading the authorities takes milliseconds.
 *   ES_EINVAL    a server without a certificate; options that make no sense
 *   ES_EOS       a file that cannot be read, or is not what it should be: es_last_detail() names it
 *   ES_ENOMEM
 * Process only. Source: OTP ssl, its client and server options. */
ES_API ES_CHECKED int64_t es_tls_client_context(const es_tls_options *options);
ES_API ES_CHECKED int64_t es_tls_server_context(const es_tls_options *options);

/* Closes it before its process ends. ES_ENOTFOUND: not this process's; ES_ENOMEM: it is as before. Process only. */
ES_API es_err es_tls_context_close(int64_t context);

/* The context of a client with all defaults: the authorities of the system, which are read when it is used first and not again. */
#define ES_TLS_SYSTEM INT64_C(0)

/* ---------------------------------------------------------------- connections */

/* An encrypted stream. It belongs to the process that made it, which alone may use it, and ends with it. */
typedef struct es_tls es_tls;

/* Makes a TLS connection of `fd`, a stream that this process owns (es_connect()), as the client, until `deadline_ns`: `host` ("example.org",
 * "192.0.2.1") is whom the certificate must be for, and is told to the server (SNI); NULL only with ES_TLS_VERIFY_NONE.
 * `fd` is the connection's from here on: es_tls_close() closes it, and it is closed also when this fails. It may be what es_connect() has
 * just given, unlooked at: an error of that one is given back, and es_last_detail() still has its cause.
 *   ES_EAUTH    the server's certificate is expired, of an unknown authority, for another host ...
 *   ES_EPROTO   it speaks no TLS, or not our versions, or refuses us: es_last_detail() has its alert
 *   ES_ETIMEOUT
 *   ES_ECLOSED  it hung up in the middle; or `fd` or the context are closed
 *   ES_EINVAL   no stream; a server's context; no host; active mode
 *   ES_ENOMEM, ES_EOS
 * On an error `*out` is NULL. Process only. Source: ssl:connect/3, upgrading a socket. */
ES_API ES_CHECKED es_err es_tls_connect(int fd, const char *host, int64_t context, int64_t deadline_ns,
                                        es_tls **out);

/* Looks up `host`, connects to `service` ("https", "443") at the first of its addresses that answers, and does es_tls_connect(). Errors of
 * es_resolve() and es_connect() too. Process only. Source: ssl:connect/4. */
ES_API ES_CHECKED es_err es_tls_connect_to(const char *host, const char *service, int64_t context,
                                           int64_t deadline_ns, es_tls **out);

/* The same as the server, of `fd` from es_accept(), whose error is given back too. ES_EAUTH: the client's certificate, which
 * ES_TLS_VERIFY_PEER asks for. The deadline is what ends a client that connects and says nothing. Process only. Source:
 * ssl:handshake/2. */
ES_API ES_CHECKED es_err es_tls_accept(int fd, int64_t context, int64_t deadline_ns, es_tls **out);

/* Waits until there is something to read, reads at most `size` bytes (not 0) and gives how many; 0: the other side said that it sends no
 * more. What is there is read even if the deadline has passed.
 *   ES_ETRUNCATED  it hung up without saying so: what came before may have been cut by anybody on the way
 *   ES_ETIMEOUT
 *   ES_ECLOSED     the connection was reset
 *   ES_EPROTO      what came was not what the other side wrote; or it sent an alert, with TLS 1.3 also when it wants another certificate of us
 *   ES_EINVAL      no room; another process's
 *   ES_ENOMEM, ES_EOS
 * After any but the ES_ETIMEOUT and ES_EINVAL, the connection is of no use any more. Process only. Source: ssl:recv/3. */
ES_API int64_t es_tls_read(es_tls *tls, void *buffer, size_t size, int64_t deadline_ns);

/* As es_tls_read(), but waits for all of `size`, which it gives; 0: the other side ended before the first byte. If it ended later:
 * ES_ECLOSED; es_last_detail() says how many bytes there were, also with ES_ETIMEOUT: they are in `buffer`, and gone from the
 * stream. Process only. */
ES_API int64_t es_tls_read_exactly(es_tls *tls, void *buffer, size_t size, int64_t deadline_ns);

/* Writes all of `data`, waiting for room until `deadline_ns`, and gives `size`. After ES_ETIMEOUT es_last_detail() says how many bytes were
 * taken; of those, what is not sent yet goes before what is written next. Errors as es_tls_read(); ES_ECLOSED: the other
 * side is gone. Process only. Source: ssl:send/2. */
ES_API int64_t es_tls_write(es_tls *tls, const void *data, size_t size, int64_t deadline_ns);

/* Says that we send no more, waits until `deadline_ns` for the other side to say so too (what it still sends is dropped), closes the
 * descriptor and sets `*tls` to NULL, whatever it gives. A deadline of 0 says it and does not wait. NULL: nothing. A process that ends without
 * it has hung up: the other side reads ES_ETRUNCATED.
 *   ES_OK          both said so
 *   ES_ETRUNCATED  the other side did not: many do not care, and when all was read that was expected, nothing is lost
 *   ES_ETIMEOUT    nor did it hang up
 *   others         as es_tls_read(), of this call or of one before
 * Process only. Source: ssl:close/2. */
ES_API es_err es_tls_close(es_tls **tls, int64_t deadline_ns);

/* ---------------------------------------------------------------- looking */

/* What was agreed, and with whom; "" for what there is not. Cut to what fits. */
typedef struct es_tls_info {
    char subject[256]; /* of the other side's certificate: "CN=example.org,O=..." */
    char issuer[256];  /* who signed it */
    char host[256];    /* whom the client asked for (SNI) */
    char alpn[64];     /* the protocol */
    char version[16];  /* "TLSv1.3" */
    char cipher[64];   /* "TLS_AES_256_GCM_SHA384" */
    int64_t expires_s; /* when the certificate expires, in seconds of Unix time; 0: there is none */
    bool is_verified;  /* its certificate was checked, and holds */
} es_tls_info;

/* Looks at the connection. ES_EINVAL: another process's. Process only. Source: ssl:connection_information/1, ssl:peercert/1. */
ES_API ES_CHECKED es_err es_tls_info_get(es_tls *tls, es_tls_info *out);

/* Its descriptor, for es_peer_address() and the like; who reads or writes there breaks the stream. Process only. */
ES_API int es_tls_fd(const es_tls *tls);

ES_END_DECLS
#endif
