#include "server/auth/access_file.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::auth {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kHash(64, 'a');

TEST(AccessFileTest, ReadsTokensCertificatesAndSubjects) {
  const auto list = ParseAccessFile(absl::StrCat(
      "# who may do what\n\nalice  token-sha256:", kHash,
      " default:submitter  # until June\r\nci\tcertificate:ci.example.org a:operator,b:viewer\n",
      "bob jwt:auth0|5f7c *:admin"));
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->by_token.at(kHash).subject, "alice");
  EXPECT_EQ(list->by_token.at(kHash).RoleIn("default"), Role::kSubmitter);
  EXPECT_EQ(list->by_certificate.at("ci.example.org").RoleIn("b"), Role::kViewer);
  EXPECT_EQ(list->by_subject.at("auth0|5f7c").RoleIn("anything"), Role::kAdmin);
}

TEST(AccessFileTest, NamesTheLineAndNeverTheCredential) {
  const std::string good = absl::StrCat("alice token-sha256:", kHash, " default:viewer\n");
  const struct {
    std::string line, message;
  } cases[] = {
      {"bob", "has 1 words"},
      {"bob secret-token default:viewer", "must begin with token-sha256:"},
      {"bob token-sha256:secret-token default:viewer", "64 lower-case hex digits"},
      {"bob certificate: default:viewer", "is empty"},
      {"bob jwt:b default:boss", "unknown role \"boss\""},
      {"bob jwt:b default", "TENANT:ROLE"},
      {absl::StrCat("bob token-sha256:", kHash, " default:viewer"), "that of alice"},
  };
  for (const auto& [line, message] : cases) {
    const absl::Status status = ParseAccessFile(absl::StrCat(good, "\n", line, "\n")).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 3: ")) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << line;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret-token")));
  }
}

TEST(AccessFileTest, AnEmptyFileLetsNobodyIn) {
  const auto list = ParseAccessFile("\n# nobody\n");
  ASSERT_TRUE(list.ok());
  EXPECT_TRUE(list->by_token.empty() && list->by_certificate.empty() && list->by_subject.empty());
}

}  // namespace
}  // namespace acclimate::auth
