#include "server/auth/authenticator.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/artifacts/sha256.h"
#include "server/base/errors.h"
#include "server/base/resource_names.h"

namespace acclimate::auth {
namespace {

constexpr char kScheme[] = "Bearer ";

}  // namespace

absl::StatusOr<std::unique_ptr<Authenticator>> Authenticator::Create(
    const AuthenticatorOptions& options) {
  auto made = absl::WrapUnique(new Authenticator(options));
  Authenticator* const self = made.get();
  if (!options.access_file.empty()) {
    made->access_file_ =
        std::make_unique<WatchedFile>(options.access_file, [self](const std::string& contents) {
          absl::StatusOr<AccessList> list = ParseAccessFile(contents);
          if (!list.ok()) return list.status();
          const absl::MutexLock lock(&self->mutex_);
          self->access_ = std::make_shared<AccessList>(*std::move(list));
          return absl::OkStatus();
        });
    if (absl::Status status = made->access_file_->Read(); !status.ok()) return status;
  }
  if (!options.jwks_file.empty()) {
    made->jwks_file_ =
        std::make_unique<WatchedFile>(options.jwks_file, [self](const std::string& contents) {
          absl::StatusOr<std::vector<PublicKey>> keys = ParseJwks(contents);
          if (!keys.ok()) return keys.status();
          const absl::MutexLock lock(&self->mutex_);
          self->keys_ = std::make_shared<std::vector<PublicKey>>(*std::move(keys));
          return absl::OkStatus();
        });
    if (absl::Status status = made->jwks_file_->Read(); !status.ok()) return status;
  }
  return made;
}

std::shared_ptr<const AccessList> Authenticator::access() const {
  const absl::MutexLock lock(&mutex_);
  return access_;
}

std::shared_ptr<const std::vector<PublicKey>> Authenticator::keys() const {
  const absl::MutexLock lock(&mutex_);
  return keys_;
}

absl::StatusOr<Identity> Authenticator::Identify(const Credentials& credentials, absl::Time now) {
  if (insecure())
    return Identity{"anonymous", "none", {{std::string(kDefaultTenant), Role::kAdmin}}};
  if (access_file_ != nullptr) access_file_->Refresh();
  if (jwks_file_ != nullptr) jwks_file_->Refresh();
  absl::string_view token = credentials.authorization;
  if (!token.empty()) {
    if (!absl::StartsWithIgnoreCase(token, kScheme)) {
      return ErrorWithReason(v1::TOKEN_REFUSED, "the authorization must begin with \"Bearer \"");
    }
    return ByToken(token.substr(sizeof(kScheme) - 1), now);
  }
  if (!credentials.certificate_names.empty()) return ByCertificate(credentials.certificate_names);
  return ErrorWithReason(v1::CREDENTIALS_MISSING,
                         "the call has no credentials: send a bearer token or a certificate");
}

absl::StatusOr<Identity> Authenticator::ByToken(absl::string_view token, absl::Time now) {
  const std::shared_ptr<const AccessList> list = access();
  // Looked up by its hash: how long that takes tells nothing of the token.
  if (const auto known = list->by_token.find(artifacts::Sha256Of(token));
      known != list->by_token.end()) {
    return known->second;
  }
  const bool like_jwt = std::count(token.begin(), token.end(), '.') == 2;
  if (jwks_file_ == nullptr || !like_jwt) {
    return ErrorWithReason(v1::TOKEN_UNKNOWN, "the token is not one that the server knows");
  }
  absl::StatusOr<Claims> claims = VerifyToken(token, *keys(), options_.token_rules, now);
  if (!claims.ok()) return ErrorWithReason(v1::TOKEN_REFUSED, claims.status().message());
  Identity identity{claims->subject, "jwt", std::move(claims->roles)};
  if (const auto known = list->by_subject.find(claims->subject); known != list->by_subject.end()) {
    identity.subject = known->second.subject;
    for (const auto& [tenant, role] : known->second.roles) {
      identity.roles[tenant] = std::max(identity.roles[tenant], role);
    }
  }
  return identity;
}

absl::StatusOr<Identity> Authenticator::ByCertificate(const std::vector<std::string>& names) {
  const std::shared_ptr<const AccessList> list = access();
  for (const std::string& name : names) {
    if (const auto known = list->by_certificate.find(name); known != list->by_certificate.end()) {
      return known->second;
    }
  }
  return ErrorWithReason(v1::CERTIFICATE_UNKNOWN,
                         "none of the certificate's names is one that the server knows");
}

}  // namespace acclimate::auth
