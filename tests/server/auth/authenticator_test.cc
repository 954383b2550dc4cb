#include "server/auth/authenticator.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/sha256.h"
#include "server/base/errors.h"
#include "tests/server/auth/token_signer.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::auth {
namespace {

class AuthenticatorTest : public testing::Test {
 protected:
  AuthenticatorTest() {
    folder_.Write("access", absl::StrCat("alice token-sha256:", artifacts::Sha256Of("alices-token"),
                                         " a:submitter\nci certificate:ci.example.org b:operator\n",
                                         "bob jwt:sub-of-bob a:viewer\n"));
    folder_.Write("jwks", signer_.Jwks("k"));
    authenticator_ = *Authenticator::Create(options_);
  }
  std::string Bearer(const std::string& subject, const nlohmann::json& roles) {
    return "Bearer " + signer_.Sign({{"alg", "EdDSA"}}, {{"iss", "me"},
                                                         {"aud", "acclimate"},
                                                         {"sub", subject},
                                                         {"exp", absl::ToUnixSeconds(kNow) + 60},
                                                         {"acclimate_roles", roles}});
  }
  absl::StatusOr<Identity> Identify(const std::string& authorization,
                                    const std::vector<std::string>& names = {}) {
    return authenticator_->Identify({authorization, names}, kNow);
  }
  std::string Reason(const std::string& authorization, const std::vector<std::string>& names = {}) {
    const absl::Status status = Identify(authorization, names).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
    return ReasonOf(status);
  }

  const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
  const TemporaryFolder folder_;
  const TokenSigner signer_{"EdDSA"};
  const AuthenticatorOptions options_ = {
      folder_.File("access"), folder_.File("jwks"), {"me", "acclimate"}};
  std::unique_ptr<Authenticator> authenticator_;
};

TEST_F(AuthenticatorTest, KnowsByTokenCertificateAndJwt) {
  EXPECT_EQ(Identify("Bearer alices-token")->subject, "alice");
  EXPECT_EQ(Identify("bearer alices-token")->RoleIn("a"), Role::kSubmitter);
  EXPECT_EQ(Identify("", {"other", "ci.example.org"})->RoleIn("b"), Role::kOperator);
  const auto bob = Identify(Bearer("sub-of-bob", {{"b", "submitter"}}));
  ASSERT_TRUE(bob.ok()) << bob.status();
  EXPECT_EQ(bob->subject, "bob");
  EXPECT_EQ(bob->RoleIn("a"), Role::kViewer);
  EXPECT_EQ(bob->RoleIn("b"), Role::kSubmitter);
  EXPECT_EQ(Identify(Bearer("stranger", nlohmann::json::object()))->HighestRole(), Role::kNone);
}

TEST_F(AuthenticatorTest, WhatIsGivenAndWrongIsRefused) {
  EXPECT_EQ(Reason(""), "CREDENTIALS_MISSING");
  EXPECT_EQ(Reason("Basic YTpi"), "TOKEN_REFUSED");
  EXPECT_EQ(Reason("Bearer "), "TOKEN_UNKNOWN");
  EXPECT_EQ(Reason("Bearer alices-token "), "TOKEN_UNKNOWN");
  EXPECT_EQ(Reason("Bearer a.b.c"), "TOKEN_REFUSED");
  EXPECT_EQ(Reason("", {"stranger.example.org"}), "CERTIFICATE_UNKNOWN");
  // A certificate that would do does not help a token that does not.
  EXPECT_EQ(Reason("Bearer wrong", {"ci.example.org"}), "TOKEN_UNKNOWN");
}

TEST_F(AuthenticatorTest, FilesThatChangeAreReadAgain) {
  folder_.Write("access", "nobody jwt:nobody a:viewer\n");
  const absl::Time limit = absl::Now() + absl::Minutes(1);
  while (Identify("Bearer alices-token").ok() && absl::Now() < limit) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(Reason("Bearer alices-token"), "TOKEN_UNKNOWN");
  EXPECT_TRUE(Identify(Bearer("nobody", nlohmann::json::object())).ok());
  // What is no good changes nothing.
  folder_.Write("access", "broken\n");
  absl::SleepFor(absl::Milliseconds(1200));
  EXPECT_EQ(Identify(Bearer("nobody", nlohmann::json::object()))->RoleIn("a"), Role::kViewer);
}

TEST_F(AuthenticatorTest, FirstContentsMustBeGood) {
  folder_.Write("access", "broken\n");
  const absl::Status status = Authenticator::Create(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(options_.access_file + ": line 1"));
  EXPECT_FALSE(Authenticator::Create({"/does/not/exist", "", {}}).ok());
}

TEST(InsecureAuthenticatorTest, EverybodyIsAdminOfTheDefaultTenantOnly) {
  const auto identity = (*Authenticator::Create({}))->Identify({"Bearer x", {}}, absl::Now());
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->RoleIn("default"), Role::kAdmin);
  EXPECT_EQ(identity->RoleIn("other"), Role::kNone);
}

}  // namespace
}  // namespace acclimate::auth
