// Makes keys and signs JSON Web Tokens with them, as an issuer does.
#ifndef ACCLIMATE_TESTS_SERVER_AUTH_TOKEN_SIGNER_H_
#define ACCLIMATE_TESTS_SERVER_AUTH_TOKEN_SIGNER_H_

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "nlohmann/json.hpp"

namespace acclimate::auth {

class TokenSigner {
 public:
  // "RS256", "ES256" or "EdDSA".
  explicit TokenSigner(const std::string& algorithm, int rsa_bits = 2048) : algorithm_(algorithm) {
    EVP_PKEY* key = algorithm == "RS256"   ? EVP_RSA_gen(static_cast<unsigned>(rsa_bits))
                    : algorithm == "ES256" ? EVP_EC_gen("P-256")
                                           : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    key_.reset(key, EVP_PKEY_free);
  }

  std::string Jwks(const std::string& id) const {
    nlohmann::json key = {{"kid", id}, {"use", "sig"}, {"alg", algorithm_}};
    if (algorithm_ == "RS256") {
      key["kty"] = "RSA";
      key["n"] = Base64(Number(OSSL_PKEY_PARAM_RSA_N));
      key["e"] = Base64(Number(OSSL_PKEY_PARAM_RSA_E));
    } else if (algorithm_ == "ES256") {
      key["kty"] = "EC";
      key["crv"] = "P-256";
      key["x"] = Base64(Number(OSSL_PKEY_PARAM_EC_PUB_X, 32));
      key["y"] = Base64(Number(OSSL_PKEY_PARAM_EC_PUB_Y, 32));
    } else {
      std::string raw(32, '\0');
      size_t size = raw.size();
      EVP_PKEY_get_raw_public_key(key_.get(), Bytes(raw), &size);
      key["kty"] = "OKP";
      key["crv"] = "Ed25519";
      key["x"] = Base64(raw);
    }
    return nlohmann::json{{"keys", {key}}}.dump();
  }

  // The header says what it likes; the signature is of the signer's own algorithm.
  std::string Sign(const nlohmann::json& header, const nlohmann::json& claims) const {
    const std::string text = Base64(header.dump()) + "." + Base64(claims.dump());
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, algorithm_ == "EdDSA" ? nullptr : EVP_sha256(),
                       nullptr, key_.get());
    std::string signature(1024, '\0');
    size_t size = signature.size();
    EVP_DigestSign(context.get(), Bytes(signature), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    signature.resize(size);
    return text + "." + Base64(algorithm_ == "ES256" ? Raw(signature) : signature);
  }

 private:
  static unsigned char* Bytes(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
  }
  static std::string Base64(const std::string& bytes) { return absl::WebSafeBase64Escape(bytes); }
  static std::string Padded(const BIGNUM* number, int size) {
    std::string bytes(static_cast<size_t>(size), '\0');
    BN_bn2binpad(number, Bytes(bytes), size);
    return bytes;
  }
  std::string Number(const char* name, int size = 0) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &number);
    const std::string bytes = Padded(number, size > 0 ? size : BN_num_bytes(number));
    BN_free(number);
    return bytes;
  }
  // DER to r and s one after the other.
  static std::string Raw(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    const std::string raw =
        Padded(ECDSA_SIG_get0_r(signature), 32) + Padded(ECDSA_SIG_get0_s(signature), 32);
    ECDSA_SIG_free(signature);
    return raw;
  }

  const std::string algorithm_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace acclimate::auth

#endif  // ACCLIMATE_TESTS_SERVER_AUTH_TOKEN_SIGNER_H_
