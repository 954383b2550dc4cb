#include "server/auth/json_web_token.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/auth/token_signer.h"

namespace acclimate::auth {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const TokenRules kRules = {"https://issuer.example", "acclimate"};

nlohmann::json Claimed() {
  return {{"iss", "https://issuer.example"},
          {"aud", {"other", "acclimate"}},
          {"sub", "alice"},
          {"exp", 1'700'000'100},
          {"acclimate_roles", {{"team-a", "submitter"}}}};
}

class JsonWebTokenTest : public testing::TestWithParam<const char*> {
 protected:
  JsonWebTokenTest() : signer_(GetParam()) { keys_ = *ParseJwks(signer_.Jwks("k1")); }
  absl::StatusOr<Claims> Verify(const std::string& token) {
    return VerifyToken(token, keys_, kRules, kNow);
  }
  std::string Refusal(const std::string& token) {
    const auto claims = Verify(token);
    EXPECT_EQ(claims.status().code(), absl::StatusCode::kUnauthenticated);
    EXPECT_THAT(std::string(claims.status().message()), Not(HasSubstr("alice")));
    return std::string(claims.status().message());
  }
  std::string Signed(const nlohmann::json& claims) {
    return signer_.Sign({{"alg", GetParam()}, {"kid", "k1"}}, claims);
  }

  TokenSigner signer_;
  std::vector<PublicKey> keys_;
};

INSTANTIATE_TEST_SUITE_P(Algorithms, JsonWebTokenTest, testing::Values("RS256", "ES256", "EdDSA"));

TEST_P(JsonWebTokenTest, TakesWhatIsSignedRightly) {
  const auto claims = Verify(Signed(Claimed()));
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->subject, "alice");
  EXPECT_EQ(claims->roles.at("team-a"), Role::kSubmitter);
  EXPECT_EQ(claims->expiry, absl::FromUnixSeconds(1'700'000'100));
}

TEST_P(JsonWebTokenTest, RefusesASignatureThatDoesNotFit) {
  std::string token = Signed(Claimed());
  const std::string of_another =
      TokenSigner(GetParam()).Sign({{"alg", GetParam()}, {"kid", "k1"}}, Claimed());
  EXPECT_THAT(Refusal(of_another), HasSubstr("signature"));
  // Every part counts: one character in the middle of each is another.
  for (const size_t at : {token.rfind('.') + 20, token.find('.') + 20}) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_NE(Refusal(changed), "") << at;
  }
  EXPECT_THAT(Refusal(token.substr(0, token.rfind('.') + 1)), HasSubstr("signature"));
  EXPECT_THAT(Refusal("a.b"), HasSubstr("three parts"));
  EXPECT_THAT(Refusal(std::string(20'000, 'a')), HasSubstr("16 KiB"));
}

TEST_P(JsonWebTokenTest, RefusesAnotherAlgorithmThanTheKeys) {
  for (const char* algorithm : {"none", "HS256", "RS512", "rs256", ""}) {
    const std::string token = signer_.Sign({{"alg", algorithm}, {"kid", "k1"}}, Claimed());
    EXPECT_THAT(Refusal(token), HasSubstr("no key")) << algorithm;
  }
  EXPECT_THAT(Refusal(signer_.Sign({{"alg", GetParam()}, {"kid", "k2"}}, Claimed())),
              HasSubstr("no key"));
  EXPECT_THAT(Refusal(signer_.Sign({{"alg", GetParam()}, {"crit", {"b64"}}}, Claimed())),
              HasSubstr("extension"));
  EXPECT_TRUE(Verify(signer_.Sign({{"alg", GetParam()}}, Claimed())).ok()) << "one key fits";
}

TEST_P(JsonWebTokenTest, ChecksWhatItClaims) {
  const struct {
    const char* name;
    nlohmann::json value;
    const char* refusal;
  } cases[] = {
      {"iss", "https://other.example", "issuer"},
      {"aud", "other", "not meant for this server"},
      {"aud", nullptr, "not meant for this server"},
      {"exp", 1'699'999'000, "expired"},
      {"exp", "tomorrow", "is no number"},
      {"nbf", 1'700'000'100, "not valid yet"},
      {"sub", "", "no subject"},
      {"acclimate_roles", {{"team-a", "boss"}}, "must map tenants to roles"},
      {"acclimate_roles", {{"team-a", 3}}, "must map tenants to roles"},
      {"acclimate_roles", "admin", "is no object"},
  };
  for (const auto& [name, value, refusal] : cases) {
    nlohmann::json claims = Claimed();
    claims[name] = value;
    EXPECT_THAT(Refusal(Signed(claims)), HasSubstr(refusal)) << name;
  }
  nlohmann::json forever = Claimed();
  forever.erase("exp");
  EXPECT_THAT(Refusal(Signed(forever)), HasSubstr("expired"));
  nlohmann::json nearly = Claimed();
  nearly["exp"] = 1'699'999'950;  // clocks differ
  EXPECT_TRUE(Verify(Signed(nearly)).ok());
}

TEST(JwksTest, SaysWhatIsWrong) {
  const auto message = [](const std::string& text) {
    return std::string(ParseJwks(text).status().message());
  };
  EXPECT_THAT(message("{"), HasSubstr("no JWKS"));
  EXPECT_THAT(message("{\"keys\": {}}"), HasSubstr("no JWKS"));
  EXPECT_THAT(message("{\"keys\": [1, {\"kty\": \"oct\", \"k\": \"AA\"}]}"),
              HasSubstr("no key for"));
  EXPECT_THAT(message(R"({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "AA"}]})"),
              HasSubstr("the key \"x\" for EdDSA is damaged"));
  EXPECT_THAT(message(R"({"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]})"),
              HasSubstr("is damaged"));
  EXPECT_THAT(message(TokenSigner("RS256", 1024).Jwks("small")), HasSubstr("has 1024 bits"));
}

}  // namespace
}  // namespace acclimate::auth
