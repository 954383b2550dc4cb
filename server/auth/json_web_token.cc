#include "server/auth/json_web_token.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "server/base/c_object.h"

namespace acclimate::auth {
namespace {

using nlohmann::json;

constexpr absl::Duration kLeeway = absl::Minutes(1);
constexpr size_t kMaxTokenBytes = 16 << 10;
constexpr int kMinRsaBits = 2048;
constexpr size_t kCoordinateBytes = 32;  // of P-256, and of half an ES256 signature

using Number = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>>;
using Key = std::shared_ptr<EVP_PKEY>;

absl::Status Refused(absl::string_view why) {
  return absl::UnauthenticatedError(absl::StrCat("the token is refused: ", why));
}

const unsigned char* Bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// "" where the member is missing or no string.
std::string Text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Empty where the member is missing or not base64url.
std::string Decoded(const json& object, const char* name) {
  std::string bytes;
  return absl::WebSafeBase64Unescape(Text(object, name), &bytes) ? bytes : std::string();
}

Key FromParameters(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return Key(key, EVP_PKEY_free);
}

Key RsaKey(const json& jwk) {
  const std::string modulus = Decoded(jwk, "n"), exponent = Decoded(jwk, "e");
  if (modulus.empty() || exponent.empty()) return nullptr;
  const Number n(BN_bin2bn(Bytes(modulus), static_cast<int>(modulus.size()), nullptr));
  const Number e(BN_bin2bn(Bytes(exponent), static_cast<int>(exponent.size()), nullptr));
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return FromParameters("RSA", builder.get());
}

Key P256Key(const json& jwk) {
  const std::string x = Decoded(jwk, "x"), y = Decoded(jwk, "y");
  if (x.size() != kCoordinateBytes || y.size() != kCoordinateBytes) return nullptr;
  const std::string point = absl::StrCat("\x04", x, y);  // uncompressed
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  return FromParameters("EC", builder.get());
}

Key Ed25519Key(const json& jwk) {
  const std::string x = Decoded(jwk, "x");
  return Key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(x), x.size()),
             EVP_PKEY_free);
}

// Empty where the kind of the key verifies none of the three.
std::string AlgorithmOf(const json& jwk) {
  const std::string type = Text(jwk, "kty"), curve = Text(jwk, "crv");
  if (type == "RSA") return "RS256";
  if (type == "EC" && curve == "P-256") return "ES256";
  if (type == "OKP" && curve == "Ed25519") return "EdDSA";
  return "";
}

absl::StatusOr<PublicKey> ParseKey(const json& jwk, const std::string& algorithm) {
  PublicKey key{Text(jwk, "kid"), algorithm, nullptr};
  key.key = algorithm == "RS256"   ? RsaKey(jwk)
            : algorithm == "ES256" ? P256Key(jwk)
                                   : Ed25519Key(jwk);
  const std::string name = key.id.empty() ? "a key" : absl::StrCat("the key \"", key.id, "\"");
  if (key.key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(name, " for ", algorithm, " is damaged"));
  }
  if (algorithm == "RS256" && EVP_PKEY_get_bits(key.key.get()) < kMinRsaBits) {
    return absl::InvalidArgumentError(absl::StrCat(name, " has ", EVP_PKEY_get_bits(key.key.get()),
                                                   " bits; at least ", kMinRsaBits, " are wanted"));
  }
  return key;
}

// r and s one after the other, as a token has them, in DER, as OpenSSL does.
std::string DerSignature(const std::string& raw) {
  if (raw.size() != 2 * kCoordinateBytes) return "";
  const Signature signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(Bytes(raw), kCoordinateBytes, nullptr),
                 BN_bin2bn(Bytes(raw) + kCoordinateBytes, kCoordinateBytes, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return "";
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

bool IsSignedBy(const PublicKey& key, const std::string& text, const std::string& signature) {
  const std::string form = key.algorithm == "ES256" ? DerSignature(signature) : signature;
  const EVP_MD* const digest = key.algorithm == "EdDSA" ? nullptr : EVP_sha256();
  const DigestContext context(EVP_MD_CTX_new());
  return !form.empty() &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.key.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(form), form.size(), Bytes(text), text.size()) == 1;
}

// The one key that the header can mean.
const PublicKey* KeyFor(const json& header, const std::vector<PublicKey>& keys) {
  const std::string algorithm = Text(header, "alg");
  const bool named = header.contains("kid");
  const PublicKey* match = nullptr;
  for (const PublicKey& key : keys) {
    if (key.algorithm != algorithm || (named && key.id != Text(header, "kid"))) continue;
    if (match != nullptr) return nullptr;
    match = &key;
  }
  return match;
}

bool IsFor(const json& claims, const std::string& audience) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return false;
  return found->is_array() ? std::find(found->begin(), found->end(), audience) != found->end()
                           : *found == audience;
}

// A time in seconds since 1970; `otherwise` where there is none.
absl::StatusOr<absl::Time> TimeIn(const json& claims, const char* name, absl::Time otherwise) {
  const auto found = claims.find(name);
  if (found == claims.end()) return otherwise;
  if (!found->is_number()) return Refused(absl::StrCat("\"", name, "\" is no number"));
  return absl::UnixEpoch() + absl::Seconds(found->get<double>());
}

absl::StatusOr<Claims> Check(const json& claims, const TokenRules& rules, absl::Time now) {
  if (Text(claims, "iss") != rules.issuer) return Refused("its issuer is another");
  if (!IsFor(claims, rules.audience)) return Refused("it is not meant for this server");
  const absl::StatusOr<absl::Time> expiry = TimeIn(claims, "exp", absl::InfinitePast());
  if (!expiry.ok()) return expiry.status();
  if (now >= *expiry + kLeeway) return Refused("it has expired");
  const absl::StatusOr<absl::Time> begin = TimeIn(claims, "nbf", absl::InfinitePast());
  if (!begin.ok()) return begin.status();
  if (now < *begin - kLeeway) return Refused("it is not valid yet");
  Claims checked{Text(claims, "sub"), {}, *expiry};
  if (checked.subject.empty()) return Refused("it has no subject");
  const auto roles = claims.find("acclimate_roles");
  if (roles == claims.end()) return checked;
  if (!roles->is_object()) return Refused("\"acclimate_roles\" is no object");
  for (const auto& [tenant, role] : roles->items()) {
    const std::string text = role.is_string() ? role.get<std::string>() : "";
    if (!AddRole(absl::StrCat(tenant, ":", text), checked.roles).ok()) {
      return Refused("\"acclimate_roles\" must map tenants to roles");
    }
  }
  return checked;
}

}  // namespace

absl::StatusOr<std::vector<PublicKey>> ParseJwks(absl::string_view contents) {
  const json document = json::parse(contents, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("keys") || !document["keys"].is_array()) {
    return absl::InvalidArgumentError("is no JWKS: expected {\"keys\": [...]}");
  }
  std::vector<PublicKey> keys;
  for (const json& jwk : document["keys"]) {
    const std::string algorithm = jwk.is_object() ? AlgorithmOf(jwk) : "";
    if (algorithm.empty()) continue;
    if (jwk.contains("use") && jwk["use"] != "sig") continue;
    if (jwk.contains("alg") && jwk["alg"] != algorithm) continue;
    absl::StatusOr<PublicKey> key = ParseKey(jwk, algorithm);
    if (!key.ok()) return key.status();
    keys.push_back(*std::move(key));
  }
  if (keys.empty()) {
    return absl::InvalidArgumentError("has no key for RS256, ES256 or EdDSA with Ed25519");
  }
  return keys;
}

absl::StatusOr<Claims> VerifyToken(absl::string_view token, const std::vector<PublicKey>& keys,
                                   const TokenRules& rules, absl::Time now) {
  if (token.size() > kMaxTokenBytes) return Refused("it is longer than 16 KiB");
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  std::string header_text, claims_text, signature;
  if (parts.size() != 3 || !absl::WebSafeBase64Unescape(parts[0], &header_text) ||
      !absl::WebSafeBase64Unescape(parts[1], &claims_text) ||
      !absl::WebSafeBase64Unescape(parts[2], &signature)) {
    return Refused("it is not three parts in base64url");
  }
  const json header = json::parse(header_text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Refused("its header is no JSON object");
  if (header.contains("crit")) return Refused("its header asks for an extension");
  const PublicKey* const key = KeyFor(header, keys);
  if (key == nullptr) return Refused("no key of the server is the one that its header means");
  if (!IsSignedBy(*key, absl::StrCat(parts[0], ".", parts[1]), signature)) {
    return Refused("its signature does not fit");
  }
  const json claims = json::parse(claims_text, nullptr, /*allow_exceptions=*/false);
  if (!claims.is_object()) return Refused("its claims are no JSON object");
  return Check(claims, rules, now);
}

}  // namespace acclimate::auth
