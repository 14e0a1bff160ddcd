/* info.c - what was agreed, and with whom. */
#include "tls/connection.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "tls/why.h"

static void look_at_certificate(X509 *certificate, es_tls_info *info)
{
    struct tm tm;
    esi_tls_print_name(X509_get_subject_name(certificate), info->subject, sizeof info->subject);
    esi_tls_print_name(X509_get_issuer_name(certificate), info->issuer, sizeof info->issuer);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm))
        info->expires_s = timegm(&tm);
}

static void step_look(struct esi_tls_step *step)
{
    es_tls *tls = step->tls;
    es_tls_info *info = step->buffer;
    const unsigned char *protocol = NULL;
    unsigned size = 0;
    X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
    if (certificate)
        look_at_certificate(certificate, info);
    info->is_verified = certificate && tls->context->is_verifying;
    X509_free(certificate);
    const char *host = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(info->host, sizeof info->host, "%s", host ? host : "");
    SSL_get0_alpn_selected(tls->ssl, &protocol, &size);
    snprintf(info->alpn, sizeof info->alpn, "%.*s", (int)size, protocol ? (const char *)protocol : "");
    snprintf(info->version, sizeof info->version, "%s", SSL_get_version(tls->ssl));
    snprintf(info->cipher, sizeof info->cipher, "%s", SSL_get_cipher_name(tls->ssl));
    ERR_clear_error();
    step->result = ES_OK;
}

es_err es_tls_info_get(es_tls *tls, es_tls_info *out)
{
    es_tls_info info = {.expires_s = 0};
    es_err error = esi_tls_is_own("tls_info_get", tls);
    if (error != ES_OK)
        return error;
    error = (es_err)esi_tls_do(tls, step_look, &info, sizeof info);
    if (error == ES_OK)
        *out = info;
    return error;
}
