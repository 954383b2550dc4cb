// Certificates for tests, made with the program openssl.
#ifndef ACCLIMATE_TESTS_E2E_CERTIFICATES_H_
#define ACCLIMATE_TESTS_E2E_CERTIFICATES_H_

#include <string>

#include "tests/e2e/child_process.h"

namespace acclimate::e2e {

// An authority of its own, and what it signs. Files lie in a folder that goes with it.
class Authority {
 public:
  explicit Authority(const std::string& name);

  std::string certificate() const { return folder_.File("ca.pem"); }
  // A certificate for `name` (and for 127.0.0.1), at Cert(name) and Key(name).
  void Sign(const std::string& name) const;
  std::string Cert(const std::string& name) const { return folder_.File(name + ".pem"); }
  std::string Key(const std::string& name) const { return folder_.File(name + ".key"); }

 private:
  void OpenSsl(const std::string& arguments) const;
  const TemporaryFolder folder_;
};

}  // namespace acclimate::e2e

#endif  // ACCLIMATE_TESTS_E2E_CERTIFICATES_H_
