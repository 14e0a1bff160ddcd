/* why.c - see why.h. Certificates first: OpenSSL's own words of those ("certificate verify failed") say nothing. */
#include "tls/why.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

int esi_tls_first_words(char *text, size_t size)
{
    unsigned long code = ERR_peek_error();
    int number = ERR_SYSTEM_ERROR(code) ? ERR_GET_REASON(code) : 0;
    const char *words = ERR_reason_error_string(code);
    char said[128];
    if (number)
        words = strerror_r(number, said, sizeof said);
    snprintf(text, size, "%s", words ? words : "OpenSSL does not say why");
    ERR_clear_error();
    return number;
}

/* ---------------------------------------------------------------- certificates */

static void print_time(const ASN1_TIME *time, char *text, size_t size)
{
    struct tm tm;
    if (time && ASN1_TIME_to_tm(time, &tm))
        strftime(text, size, "%Y-%m-%d %H:%M UTC", &tm);
    else
        snprintf(text, size, "?");
}

void esi_tls_print_name(X509_NAME *name, char *text, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int length = 0;
    if (bio && name && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        length = BIO_read(bio, text, (int)size - 1);
    text[length > 0 ? length : 0] = 0;
    BIO_free(bio);
}

/* "example.org, *.example.org": for whom it is. */
static void print_hosts(X509 *certificate, char *text, size_t size)
{
    GENERAL_NAMES *names =
        certificate ? X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL) : NULL;
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && at < size; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            at += (size_t)snprintf(text + at, size - at, "%s%.*s", at ? ", " : "",
                                   ASN1_STRING_length(name->d.dNSName),
                                   (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    }
    if (at == 0)
        snprintf(text, size, names && sk_GENERAL_NAME_num(names) ? "an address" : "nobody");
    GENERAL_NAMES_free(names);
}

static bool is_of_the_authority(long reason)
{
    switch (reason) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_UNTRUSTED:
        return true;
    default:
        return false;
    }
}

static void say_certificate(long reason, X509 *certificate, const char *host, char *text, size_t size)
{
    char words[78]; /* with as much of the host they fill what callers have */
    if (reason == X509_V_ERR_CERT_HAS_EXPIRED) {
        print_time(certificate ? X509_get0_notAfter(certificate) : NULL, words, sizeof words);
        snprintf(text, size, "the certificate expired at %s: it needs a new one, or a clock is wrong", words);
    } else if (reason == X509_V_ERR_CERT_NOT_YET_VALID) {
        print_time(certificate ? X509_get0_notBefore(certificate) : NULL, words, sizeof words);
        snprintf(text, size, "the certificate is not valid before %s: a clock is wrong, or it is too early",
                 words);
    } else if (reason == X509_V_ERR_HOSTNAME_MISMATCH || reason == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        print_hosts(certificate, words, sizeof words);
        snprintf(text, size, "wrong host: the certificate is for %s, and not for %.64s", words, host);
    } else if (is_of_the_authority(reason)) {
        esi_tls_print_name(certificate ? X509_get_issuer_name(certificate) : NULL, words, sizeof words);
        snprintf(text, size, "unknown authority (%s): give its certificate as ca_file if you trust it",
                 words);
    } else {
        snprintf(text, size, "the certificate does not hold: %s", X509_verify_cert_error_string(reason));
    }
}

int esi_tls_verify(int is_good, X509_STORE_CTX *chain)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    es_tls *tls = ssl ? SSL_get_app_data(ssl) : NULL;
    if (!is_good && tls)
        say_certificate(X509_STORE_CTX_get_error(chain), X509_STORE_CTX_get_current_cert(chain), tls->host,
                        tls->why, sizeof tls->why);
    return is_good;
}

/* ---------------------------------------------------------------- the rest */

/* What the alert `reason` of the other side asks of us. */
static const char *hint_for_alert(int reason)
{
    switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return ": it does not trust the authority of our certificate";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return ": it wants a certificate of us (certificate_file)";
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return ": it speaks no version of TLS that we do (min_version)";
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        return ": it speaks none of our protocols (alpn)";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return ": our certificate has expired";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return ": we have nothing in common, or it wants a certificate of us";
    default:
        return "";
    }
}

static void say_error(unsigned long code, char *text, size_t size)
{
    int reason = ERR_GET_REASON(code);
    bool is_ssl = ERR_GET_LIB(code) == ERR_LIB_SSL;
    const char *words = ERR_reason_error_string(code);
    if (is_ssl && (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
                   reason == SSL_R_HTTPS_PROXY_REQUEST))
        snprintf(text, size, "the other side speaks no TLS (%s): wrong port?", words);
    else if (is_ssl && (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_NO_PROTOCOLS_AVAILABLE))
        snprintf(text, size, "the other side speaks no version of TLS that we do (min_version)");
    else if (is_ssl && reason == SSL_R_NO_APPLICATION_PROTOCOL)
        snprintf(text, size, "the other side speaks none of our protocols (alpn)");
    else if (is_ssl && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        snprintf(text, size, "the other side has no certificate, and must have one");
    else if (is_ssl && reason >= SSL_AD_REASON_OFFSET)
        snprintf(text, size, "the other side refuses: %s%s", words ? words : "an alert",
                 hint_for_alert(reason));
    else
        snprintf(text, size, "%s", words ? words : "broken for a reason that OpenSSL does not tell");
}

es_err esi_tls_why(es_tls *tls)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    es_err error = ES_EPROTO;
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
        snprintf(tls->why, sizeof tls->why, "no memory");
        error = ES_ENOMEM;
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && tls->why[0]) {
        error = ES_EAUTH; /* esi_tls_verify() wrote why */
    } else {
        say_error(code, tls->why, sizeof tls->why);
        if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE || reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
            error = ES_EAUTH;
    }
    ERR_clear_error();
    return error;
}
