#include "tests/bench/service/mutual_tls.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/bench/service/report.h"

namespace acclimate::bench {
namespace {

// Of P-256, as most have.
constexpr char kMakeCertificates[] = R"(cd "$0" && exec 2>openssl.log
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $key -days 2 -subj /CN=benchmark -keyout ca.key -out ca.pem || exit 1
echo subjectAltName=IP:127.0.0.1 >names
for name in server client; do
  openssl req $key -subj /CN=$name -keyout $name.key -out $name.csr &&
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
    -extfile names -out $name.pem || exit 1
done
echo "client certificate:client *:admin" >access)";

std::string Content(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

}  // namespace

MutualTls::MutualTls(const std::filesystem::path& directory) : directory_(directory) {
  const std::string command = absl::StrCat("sh -c '", kMakeCertificates, "' ", directory_.string());
  if (std::system(command.c_str()) != 0) Die("openssl: " + Content(File("openssl.log")));
}

std::vector<std::string> MutualTls::AcclimatedFlags() const {
  return {"--tls-cert",      File("server.pem"), "--tls-key",     File("server.key"),
          "--tls-client-ca", File("ca.pem"),     "--access-file", File("access")};
}

std::vector<std::string> MutualTls::IdlerArguments() const {
  return {File("server.pem"), File("server.key"), File("ca.pem")};
}

std::shared_ptr<grpc::ChannelCredentials> MutualTls::Client() const {
  return grpc::SslCredentials(
      {Content(File("ca.pem")), Content(File("client.key")), Content(File("client.pem"))});
}

}  // namespace acclimate::bench
