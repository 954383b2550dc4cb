#include "tests/e2e/certificates.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace acclimate::e2e {

Authority::Authority(const std::string& name) {
  OpenSsl(absl::StrCat(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=", name,
      "' -keyout ca.key -out ca.pem"));
}

void Authority::OpenSsl(const std::string& arguments) const {
  const std::string command =
      absl::StrCat("cd ", folder_.path(), " && openssl ", arguments, " 2>>openssl.log");
  ASSERT_EQ(std::system(command.c_str()), 0) << command << ReadFile(folder_.File("openssl.log"));
}

void Authority::Sign(const std::string& name) const {
  WriteFile(folder_.File("names"), absl::StrCat("subjectAltName=DNS:", name, ",IP:127.0.0.1\n"));
  OpenSsl(absl::StrCat("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=", name,
                       "' -keyout ", name, ".key -out request.pem"));
  OpenSsl(
      absl::StrCat("x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
                   "-extfile names -out ",
                   name, ".pem"));
}

}  // namespace acclimate::e2e
