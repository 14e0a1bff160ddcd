/* context.c - see context.h.
 *
 * A context under way lies in a box that its process owns before there is anything in it. Reading files takes long, and is done where a
 * kill may come: OpenSSL's own code is never left in the middle, and what it has made till then is in the box. */
#include "tls/context.h"

#include <engset.h>
#include <openssl/err.h>
#include <openssl/pemerr.h>
#include <openssl/x509err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tls/connection.h"
#include "tls/why.h"

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards the two below; taken in steps and destructors */
static struct esi_tls_context *numbered;
static int64_t last_number;

static struct esi_tls_context *_Atomic system_context; /* once there is one it stays */
static es_mutex system_lock = ES_MUTEX_INIT;           /* held by the process that reads it */

/* ---------------------------------------------------------------- counting, finding */

void esi_tls_context_unref(struct esi_tls_context *context)
{
    /* acq_rel: who frees it sees all that others did with it. */
    if (!context || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

static struct esi_tls_context *counted(struct esi_tls_context *context)
{
    /* relaxed: the caller holds the lock, or a reference that stays. */
    if (context)
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

struct esi_tls_context *esi_tls_context_ref(int64_t number)
{
    /* acquire: pairs with the release of who read it. */
    if (number == ES_TLS_SYSTEM)
        return counted(atomic_load_explicit(&system_context, memory_order_acquire));
    pthread_mutex_lock(&lock);
    struct esi_tls_context *context = numbered;
    while (context && context->number != number)
        context = context->next;
    counted(context);
    pthread_mutex_unlock(&lock);
    return context;
}

/* ---------------------------------------------------------------- the box */

struct box {
    struct esi_tls_context *context;
    const es_tls_options *options;
    bool is_server, is_key_encrypted;
    es_err error;
    int code; /* the system's number to it, or 0 */
    char why[ESI_TLS_WHY];
};

static void take_number(struct esi_tls_context *context)
{
    pthread_mutex_lock(&lock);
    context->number = ++last_number;
    context->next = numbered;
    numbered = context;
    pthread_mutex_unlock(&lock);
}

static void give_number_back(struct esi_tls_context *context)
{
    pthread_mutex_lock(&lock);
    struct esi_tls_context **at = &numbered;
    while (*at && *at != context)
        at = &(*at)->next;
    if (*at)
        *at = context->next;
    pthread_mutex_unlock(&lock);
}

/* Destructor. The box itself is the process's memory. */
static void release(void *resource)
{
    struct box *box = resource;
    if (box->context)
        give_number_back(box->context);
    esi_tls_context_unref(box->context);
    box->context = NULL;
}

static void step_release(void *resource)
{
    release(resource);
}

static void step_publish(void *resource)
{
    struct box *box = resource;
    box->context->box = box;
    take_number(box->context);
}

static void step_publish_system(void *resource)
{
    struct box *box = resource;
    /* release: who finds it sees what was read into it. */
    atomic_store_explicit(&system_context, box->context, memory_order_release);
    box->context = NULL;
}

static void refuse(struct box *box, es_err error, const char *words, const char *file)
{
    char said[64];
    box->error = error;
    box->code = esi_tls_first_words(said, sizeof said);
    if (file)
        snprintf(box->why, sizeof box->why, "%s %.70s: %s", words, file, said);
    else
        snprintf(box->why, sizeof box->why, "%s", words);
}

/* ---------------------------------------------------------------- reading */

/* "h2,http/1.1" as TLS writes it. */
static bool write_alpn(struct esi_tls_context *context, const char *names)
{
    size_t at = 0;
    while (*names) {
        size_t length = strcspn(names, ",");
        if (length == 0 || length > 255 || at + 1 + length > sizeof context->alpn)
            return false;
        context->alpn[at++] = (unsigned char)length;
        memcpy(context->alpn + at, names, length);
        at += length;
        names += length + (names[length] == ',');
    }
    context->alpn_size = (unsigned)at;
    return true;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *theirs,
                       unsigned theirs_size, void *resource)
{
    (void)ssl;
    struct esi_tls_context *context = resource;
    unsigned char *chosen = NULL;
    int result = SSL_select_next_proto(&chosen, size, context->alpn, context->alpn_size, theirs, theirs_size);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* OpenSSL would ask at the terminal. It asks only when a key is encrypted. */
static int give_password(char *buffer, int size, int is_writing, void *resource)
{
    (void)is_writing;
    struct box *box = resource;
    const char *password = box->options->key_password;
    size_t length = password ? strlen(password) : 0;
    box->is_key_encrypted = true;
    if (!password || length > (size_t)size)
        return -1;
    memcpy(buffer, password, length);
    return (int)length;
}

/* The key is good, and the certificate is not its. */
static bool is_for_another(unsigned long code)
{
    int reason = ERR_GET_REASON(code);
    return ERR_GET_LIB(code) == ERR_LIB_X509 &&
           (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
}

/* Read, and nothing in it is a key. */
static bool is_no_key(unsigned long code)
{
    return (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
           ERR_GET_REASON(code) == ERR_R_UNSUPPORTED;
}

/* `why` stands behind the file's name; the system's number is kept, OpenSSL's words are not. */
static void refuse_key(struct box *box, const char *key, const char *why)
{
    char said[64];
    box->error = ES_EOS;
    box->code = esi_tls_first_words(said, sizeof said);
    snprintf(box->why, sizeof box->why, "%s %.70s: %s",
             box->options->key_file ? "key_file" : "key_file (none was given: certificate_file)", key, why);
}

/* OpenSSL's own words of these ("interrupted or cancelled", "unsupported") say nothing. */
static void judge_key(struct box *box, const char *key)
{
    unsigned long code = ERR_peek_error();
    if (is_for_another(code))
        refuse_key(box, key, "it belongs to another certificate than certificate_file");
    else if (box->is_key_encrypted && !box->options->key_password)
        refuse_key(box, key, "it is encrypted: give its key_password");
    else if (box->is_key_encrypted)
        refuse_key(box, key, "it is encrypted, and not with this key_password");
    else if (is_no_key(code))
        refuse_key(box, key, "there is no private key in it (PEM)");
    else
        refuse(box, ES_EOS, "key_file", key);
}

static void read_identity(struct box *box)
{
    const es_tls_options *o = box->options;
    SSL_CTX *ssl = box->context->ssl;
    const char *key = o->key_file ? o->key_file : o->certificate_file;
    if (!o->certificate_file)
        return;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ssl, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, box);
    if (SSL_CTX_use_certificate_chain_file(ssl, o->certificate_file) != 1)
        refuse(box, ES_EOS, "certificate_file", o->certificate_file);
    else if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
        judge_key(box, key);
    else if (SSL_CTX_check_private_key(ssl) != 1) /* of another kind */
        refuse_key(box, key, "it belongs to another certificate than certificate_file");
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
}

static void read_authorities(struct box *box)
{
    const es_tls_options *o = box->options;
    SSL_CTX *ssl = box->context->ssl;
    if (!box->context->is_verifying)
        return;
    ERR_clear_error();
    if (!o->ca_file && !o->ca_directory) {
        if (SSL_CTX_set_default_verify_paths(ssl) != 1)
            refuse(box, ES_ENOMEM, "no memory for the system's authorities", NULL);
    } else if (o->ca_file && SSL_CTX_load_verify_file(ssl, o->ca_file) != 1) {
        refuse(box, ES_EOS, "ca_file", o->ca_file);
    } else if (o->ca_directory && (access(o->ca_directory, R_OK | X_OK) != 0 ||
                                   SSL_CTX_load_verify_dir(ssl, o->ca_directory) != 1)) {
        refuse(box, ES_EOS, "ca_directory", o->ca_directory);
    } else if (o->ca_file && box->is_server) {
        SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(o->ca_file));
    }
}

static void set_rules(struct box *box)
{
    const es_tls_options *o = box->options;
    struct esi_tls_context *context = box->context;
    SSL_CTX *ssl = context->ssl;
    context->is_verifying =
        o->verify == ES_TLS_VERIFY_PEER || (o->verify == ES_TLS_VERIFY_DEFAULT && !box->is_server);
    SSL_CTX_set_verify(
        ssl, context->is_verifying ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
        esi_tls_verify);
    /* The system may ask for more by itself (openssl.cnf). */
    if (o->min_version || SSL_CTX_get_min_proto_version(ssl) < TLS1_2_VERSION)
        SSL_CTX_set_min_proto_version(ssl, o->min_version ? (int)o->min_version : TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    /* A write that comes again may come from elsewhere; an idle connection holds no buffers. */
    SSL_CTX_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (context->alpn_size > 0 && box->is_server)
        SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, context);
    else if (context->alpn_size > 0)
        SSL_CTX_set_alpn_protos(ssl, context->alpn, context->alpn_size);
}

/* On a large stack, as the process's code. */
static void load(void *resource)
{
    struct box *box = resource;
    if (box->options->alpn && !write_alpn(box->context, box->options->alpn)) {
        refuse(box, ES_EINVAL, "alpn: names with commas between them, at most 255 bytes", NULL);
        return;
    }
    set_rules(box);
    read_authorities(box);
    if (box->error == ES_OK)
        read_identity(box);
}

static void step_new(void *resource)
{
    struct box *box = resource;
    /* Its memory is not freed at exit(): threads of a node may be using it just then. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    struct esi_tls_context *context = calloc(1, sizeof *context);
    box->context = context;
    if (context) {
        atomic_store_explicit(&context->refs, 1, memory_order_relaxed); /* nobody else sees it yet */
        context->is_server = box->is_server;
        context->ssl = SSL_CTX_new(box->is_server ? TLS_server_method() : TLS_client_method());
    }
    if (!context || !context->ssl)
        refuse(box, ES_ENOMEM, "no memory", NULL);
}

static es_err check(const char *call, const es_tls_options *o, bool is_server)
{
    if (is_server && !o->certificate_file)
        return es_fail(ES_EINVAL, "%s: a server needs a certificate_file, and a key_file", call);
    if (is_server && o->verify == ES_TLS_VERIFY_PEER && !o->ca_file && !o->ca_directory)
        return es_fail(ES_EINVAL, "%s: whose certificates are let in? Name a ca_file or a ca_directory",
                       call);
    if ((unsigned)o->verify > ES_TLS_VERIFY_NONE ||
        (o->min_version && o->min_version != ES_TLS_1_2 && o->min_version != ES_TLS_1_3))
        return es_fail(ES_EINVAL, "%s: no such verify or min_version", call);
    return ES_OK;
}

/* What is in it goes now and not with the process. An error: with the process after all. */
static es_err close_box(struct box *box)
{
    es_err error = es_uninterrupted(ESI_TLS_STACK, step_release, box);
    if (error != ES_OK)
        return error;
    es_disown(box);
    es_free(box);
    return ES_OK;
}

/* A box with a context that is loaded and has no number; it is owned. NULL: an error, which is said. */
static struct box *open_box(const char *call, const es_tls_options *options, bool is_server, es_err *error)
{
    static const es_tls_options defaults;
    options = options ? options : &defaults;
    *error = es_pid_equal(es_self(), ES_NO_PID)
                 ? es_fail(ES_ENOPROC, "%s: called in a thread that is no process", call)
                 : check(call, options, is_server);
    if (*error != ES_OK)
        return NULL;
    struct box *box = es_alloc(sizeof *box);
    box->options = options;
    box->is_server = is_server;
    *error = es_own(box, release);
    if (*error == ES_OK) {
        *error = es_uninterrupted(ESI_TLS_STACK, step_new, box);
        if (*error == ES_OK && box->error == ES_OK)
            *error = es_on_big_stack(ESI_TLS_STACK, load, box);
        if (*error == ES_OK && (*error = box->error) == ES_OK)
            return box;
        int code = box->code;
        if (box->error != ES_OK)
            es_fail(box->error, "%s: %s", call, box->why);
        close_box(box);
        *es_errno() = code;
        return NULL;
    }
    es_free(box);
    return NULL;
}

static int64_t open_context(const char *call, const es_tls_options *options, bool is_server)
{
    es_err error;
    struct box *box = open_box(call, options, is_server, &error);
    if (!box)
        return error;
    box->context->owner = es_self();
    error = es_uninterrupted(ESI_TLS_STACK, step_publish, box);
    if (error == ES_OK)
        return box->context->number;
    close_box(box);
    return error;
}

int64_t es_tls_client_context(const es_tls_options *options)
{
    return open_context("tls_client_context", options, false);
}

int64_t es_tls_server_context(const es_tls_options *options)
{
    static const es_tls_options none;
    return open_context("tls_server_context", options ? options : &none, true);
}

/* ---------------------------------------------------------------- closing */

struct search {
    int64_t number;
    es_pid owner;
    struct box *box;
};

static void step_find(void *argument)
{
    struct search *search = argument;
    pthread_mutex_lock(&lock);
    for (struct esi_tls_context *at = numbered; at; at = at->next)
        if (at->number == search->number && es_pid_equal(at->owner, search->owner))
            search->box = at->box;
    pthread_mutex_unlock(&lock);
}

es_err es_tls_context_close(int64_t context)
{
    struct search search = {.number = context, .owner = es_self()};
    es_err error = es_uninterrupted(ESI_TLS_STACK, step_find, &search);
    if (error != ES_OK)
        return error;
    if (!search.box)
        return es_fail(ES_ENOTFOUND, "tls_context_close: context %lld is not this process's",
                       (long long)context);
    return close_box(search.box);
}

/* ---------------------------------------------------------------- the system's */

static es_err read_system(const char *call)
{
    es_err error;
    struct box *box = open_box(call, NULL, false, &error);
    if (!box)
        return error;
    error = es_uninterrupted(ESI_TLS_STACK, step_publish_system, box);
    close_box(box);
    return error;
}

es_err esi_tls_context_need_system(const char *call)
{
    if (atomic_load_explicit(&system_context, memory_order_acquire))
        return ES_OK;
    es_err error = es_mutex_lock(&system_lock);
    if (error != ES_OK &&
        error != ES_ECLOSED) /* closed: who held it ended; it is ours now, and nothing is half done */
        return error;
    error = atomic_load_explicit(&system_context, memory_order_acquire) ? ES_OK : read_system(call);
    es_mutex_unlock(&system_lock);
    return error;
}
