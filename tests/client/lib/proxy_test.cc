#include "client/lib/proxy.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

EnvironmentLookup Of(const std::map<std::string, std::string>& variables) {
  return [&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(ProxyTest, NamesVariableProxyAndHost) {
  const std::map<std::string, std::string> variables = {
      {"http_proxy", "http://user:secret@proxy.example:3128/"}};
  EXPECT_THAT(
      ProxyAdvice("server.example:50051", Of(variables)),
      Optional(AllOf(HasSubstr("http_proxy"), HasSubstr("the proxy proxy.example:3128;"),
                     HasSubstr("add server.example to no_proxy"), Not(HasSubstr("secret")))));
}

TEST(ProxyTest, GrpcsOwnVariableComesFirst) {
  const std::map<std::string, std::string> variables = {
      {"grpc_proxy", "a:1"}, {"https_proxy", "b:2"}, {"http_proxy", "c:3"}};
  EXPECT_THAT(ProxyAdvice("dns:///server.example:1", Of(variables)),
              Optional(AllOf(HasSubstr("grpc_proxy"), HasSubstr("the proxy a:1"))));
}

TEST(ProxyTest, IsSilentWhereNoProxyIsUsed) {
  const std::map<std::string, std::string> variables = {{"http_proxy", "proxy:1"},
                                                        {"no_proxy", "other, .example"}};
  for (const char* address :
       {"127.0.0.1:50051", "[::1]:1", "localhost:1", "unix:/run/acclimate", "server.example:1"}) {
    EXPECT_EQ(ProxyAdvice(address, Of(variables)), std::nullopt) << address;
  }
  EXPECT_NE(ProxyAdvice("server.invalid:1", Of(variables)), std::nullopt);
  EXPECT_EQ(ProxyAdvice("server.invalid:1", Of({})), std::nullopt);
}

}  // namespace
}  // namespace acclimate::client
