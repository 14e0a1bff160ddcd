/* tests/tls/certificates.h - authorities and certificates for a test, made anew each time in a folder of its own, with keys of elliptic
 * curves, which are made fast; but for the one called rsa. */
#ifndef TESTS_TLS_CERTIFICATES_H
#define TESTS_TLS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The files: ca.pem, other_ca.pem (authorities); NAME.pem with NAME.key for each of `identities` below. */
static char folder[64];

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

/* `path` in the folder; valid until the eighth call after it. */
static inline const char *in_folder(const char *name)
{
    static char paths[8][128];
    static _Atomic(unsigned) next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void extend(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* `by` NULL: by itself, as an authority. `hosts`: "DNS:a,IP:1.2.3.4". Days from today. */
static inline struct authority certify(const char *name, const char *hosts, long from_days, long to_days,
                                       const struct authority *by)
{
    static long serial = 1;
    bool is_rsa = strcmp(name, "rsa") == 0;
    struct authority made = {X509_new(), is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")};
    X509 *issuer = by ? by->certificate : made.certificate;
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), from_days * 86400);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), to_days * 86400);
    X509_set_pubkey(made.certificate, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer));
    extend(made.certificate, issuer, NID_basic_constraints, by ? "CA:FALSE" : "critical,CA:TRUE");
    if (hosts)
        extend(made.certificate, issuer, NID_subject_alt_name, hosts);
    X509_sign(made.certificate, by ? by->key : made.key, EVP_sha256());
    return made;
}

static inline void write_pem(const char *name, const struct authority *a, const char *password)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s.pem", folder, name);
    FILE *file = fopen(path, "w");
    PEM_write_X509(file, a->certificate);
    fclose(file);
    snprintf(path, sizeof path, "%s/%s.key", folder, name);
    file = fopen(path, "w");
    PEM_write_PrivateKey(file, a->key, password ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                         (void *)(uintptr_t)password);
    fclose(file);
}

static inline void forget_authority(struct authority *a)
{
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
}

static const struct {
    const char *name, *hosts;
    long from_days, to_days;
    int is_others;
    const char *password;
} identities[] = {
    {"server", "DNS:localhost,DNS:*.example.org,IP:127.0.0.1", -1, 30, 0, NULL},
    {"elsewhere", "DNS:elsewhere.example,DNS:www.elsewhere.example", -1, 30, 0, NULL},
    {"expired", "DNS:localhost", -30, -1, 0, NULL},
    {"early", "DNS:localhost", 1, 30, 0, NULL},
    {"stranger", "DNS:localhost", -1, 30, 1, NULL},
    {"client", NULL, -1, 30, 0, NULL},
    {"rsa", "DNS:localhost", -1, 30, 0, NULL},
    {"locked", "DNS:localhost", -1, 30, 0, "sesame"},
};

static inline int make_certificates(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/engset-tls-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    struct authority ca = certify("Engset test CA", NULL, -40, 40, NULL);
    struct authority other = certify("Other CA", NULL, -40, 40, NULL);
    write_pem("ca", &ca, NULL);
    write_pem("other_ca", &other, NULL);
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        struct authority one = certify(identities[i].name, identities[i].hosts, identities[i].from_days,
                                       identities[i].to_days, identities[i].is_others ? &other : &ca);
        write_pem(identities[i].name, &one, identities[i].password);
        forget_authority(&one);
    }
    forget_authority(&ca);
    forget_authority(&other);
    return 0;
}

static inline int remove_certificates(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

#endif
