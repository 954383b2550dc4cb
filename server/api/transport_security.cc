#include "server/api/transport_security.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "server/base/c_object.h"

namespace acclimate::api {
namespace {

constexpr unsigned kRefreshSeconds = 2;

using File = std::unique_ptr<BIO, FreedBy<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, FreedBy<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;

absl::StatusOr<File> OpenPem(const std::string& path) {
  File file(BIO_new_file(path.c_str(), "r"));
  if (file == nullptr) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  return file;
}

absl::StatusOr<Certificate> FirstCertificate(const std::string& path) {
  absl::StatusOr<File> file = OpenPem(path);
  if (!file.ok()) return file.status();
  Certificate certificate(PEM_read_bio_X509(file->get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": holds no certificate in PEM"));
  }
  return certificate;
}

// Not asked for on the terminal: a key with a password is refused.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Status CheckPair(const std::string& cert_path, const std::string& key_path) {
  const absl::StatusOr<Certificate> certificate = FirstCertificate(cert_path);
  if (!certificate.ok()) return certificate.status();
  const absl::StatusOr<File> file = OpenPem(key_path);
  if (!file.ok()) return file.status();
  const PrivateKey key(PEM_read_bio_PrivateKey(file->get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_path, ": holds no private key in PEM without a password"));
  }
  if (X509_check_private_key(certificate->get(), key.get()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_path, ": is not the key of the certificate in ", cert_path));
  }
  const absl::StatusOr<absl::Time> expiry = CertificateExpiry(cert_path);
  if (!expiry.ok()) return expiry.status();
  if (*expiry > absl::Now()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      cert_path, ": expired on ", absl::FormatTime("%Y-%m-%d", *expiry, absl::UTCTimeZone())));
}

}  // namespace

absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path) {
  const absl::StatusOr<Certificate> certificate = FirstCertificate(path);
  if (!certificate.ok()) return certificate.status();
  std::tm expiry = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate->get()), &expiry) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": does not say until when it is valid"));
  }
  return absl::FromTM(expiry, absl::UTCTimeZone());
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerConfig& config) {
  if (config.tls_cert.empty()) return grpc::InsecureServerCredentials();
  if (absl::Status status = CheckPair(config.tls_cert, config.tls_key); !status.ok()) return status;
  const bool with_clients = !config.tls_client_ca.empty();
  if (with_clients) {
    const absl::StatusOr<Certificate> authority = FirstCertificate(config.tls_client_ca);
    if (!authority.ok()) return authority.status();
  }
  namespace tls = grpc::experimental;
  tls::TlsServerCredentialsOptions options(std::make_shared<tls::FileWatcherCertificateProvider>(
      config.tls_key, config.tls_cert, config.tls_client_ca, kRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  if (with_clients) options.watch_root_certs();
  options.set_cert_request_type(with_clients ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                             : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return tls::TlsServerCredentials(options);
}

}  // namespace acclimate::api
