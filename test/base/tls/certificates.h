// SPDX-License-Identifier: Apache-2.0
#pragma once

// Certificates as PEM texts, made when they are needed.
//
//   const Authority ca;
//   const Material server = ca.issue({.names = "DNS:model"});

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>

#include "base/tls/context.h"

namespace outrider::tls {

struct Wish {
  std::string names = "DNS:model,IP:127.0.0.1";  // Subject alternative names.
  long begins_in = -3600, ends_in = 3600;        // Seconds.
};

class Authority {
 public:
  Authority() : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    fill(certificate_, key_, {}, "CA:TRUE");
    sign(certificate_);
  }
  ~Authority() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  std::string pem() const { return pem_of(certificate_); }

  // With a key of its own, and this authority as ca.
  Material issue(const Wish& wish = {}) const {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    fill(certificate, key, wish, "CA:FALSE");
    sign(certificate);
    Material material{pem_of(certificate), pem_of(key), pem()};
    X509_free(certificate);
    EVP_PKEY_free(key);
    return material;
  }

 private:
  static void fill(X509* certificate, EVP_PKEY* key, const Wish& wish, const char* constraints) {
    static long serial = 0;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wish.begins_in);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish.ends_in);
    X509_set_pubkey(certificate, key);
    const std::string name = std::to_string(serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    extend(certificate, NID_basic_constraints, constraints);
    if (constraints != std::string("CA:TRUE"))
      extend(certificate, NID_subject_alt_name, wish.names.c_str());
  }

  static void extend(X509* certificate, int kind, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  void sign(X509* certificate) const {
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate_));
    X509_sign(certificate, key_, EVP_sha256());
  }

  static std::string text_of(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    std::string text(bytes, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
  static std::string pem_of(X509* certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return text_of(bio);
  }
  static std::string pem_of(EVP_PKEY* key) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio);
  }

  EVP_PKEY* const key_;
  X509* const certificate_;
};

}  // namespace outrider::tls
