#include "server/auth/identity.h"

#include <fstream>
#include <regex>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::auth {
namespace {

using ::testing::HasSubstr;

TEST(IdentityTest, TheHighestRoleThatCoversATenantCounts) {
  Identity identity{"alice", "token", {{"a", Role::kSubmitter}, {"*", Role::kViewer}}};
  EXPECT_EQ(identity.RoleIn("a"), Role::kSubmitter);
  EXPECT_EQ(identity.RoleIn("b"), Role::kViewer);
  EXPECT_EQ(identity.HighestRole(), Role::kSubmitter);
  EXPECT_EQ(Identity().RoleIn("a"), Role::kNone);
  EXPECT_EQ(Identity().HighestRole(), Role::kNone);
}

TEST(IdentityTest, RolesAreReadOrRefused) {
  std::map<std::string, Role> roles;
  EXPECT_TRUE(AddRole("team-a:operator", roles).ok());
  EXPECT_TRUE(AddRole("*:viewer", roles).ok());
  EXPECT_EQ(roles.at("team-a"), Role::kOperator);
  for (const char* bad : {"", "team-a", ":viewer", "team-a:", "team-a:owner", "a/b:viewer",
                          "team-a:none", "..:viewer", "team-a:Viewer"}) {
    EXPECT_FALSE(AddRole(bad, roles).ok()) << bad;
  }
  EXPECT_THAT(std::string(AddRole("a:owner", roles).message()), HasSubstr("viewer, submitter"));
  EXPECT_EQ(roles.size(), 2u);
}

TEST(IdentityTest, WhatTheTableDoesNotNameIsNobodys) {
  for (const char* call : {"", "GetJob", "acclimate.v1.JobService/Unknown"}) {
    EXPECT_EQ(PermissionFor(call).status().code(), absl::StatusCode::kPermissionDenied) << call;
  }
}

// A call that is added to a .proto file without a thought for who may make it is caught here.
TEST(IdentityTest, EveryCallOfTheApiHasAPermission) {
  std::set<std::string> calls;
  for (const char* service : {"job", "artifact", "catalog", "admin"}) {
    std::ifstream proto(
        absl::StrCat(ACCLIMATE_SOURCE_DIR, "/proto/acclimate/v1/", service, "_service.proto"));
    const std::string text((std::istreambuf_iterator<char>(proto)), {});
    std::smatch name;
    ASSERT_TRUE(std::regex_search(text, name, std::regex("service (\\w+)")));
    const std::regex rpc("rpc (\\w+)");
    for (std::sregex_iterator it(text.begin(), text.end(), rpc), end; it != end; ++it) {
      calls.insert(absl::StrCat("acclimate.v1.", name[1].str(), "/", (*it)[1].str()));
    }
  }
  EXPECT_GE(calls.size(), 15u);
  for (const std::string& call : calls) {
    const auto permission = PermissionFor(call);
    EXPECT_TRUE(permission.ok() && permission->role != Role::kNone) << call;
  }
}

}  // namespace
}  // namespace acclimate::auth
