#pragma once
#include "consortium/common/error.hpp"
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace consortium::agent::claude
{

using variable_reader = std::function<const char*(const char*)>;

/// The `claude` program: CONSORTIUM_CLAUDE, then PATH, then where its installers put it below HOME.
/// errc::not_found says where was looked and how to install it.
result<std::filesystem::path> locate(const variable_reader& variable);

/// The environment for a `claude` that we start: the user's, without what belongs to a session around us and without
/// our own variables, which say where our keys are.
std::vector<std::string> child_environment(char** environment);

/// Of an environment, "NAME=value". Empty when it is not set.
std::string environment_value(const std::vector<std::string>& environment, const std::string& name);

} // namespace consortium::agent::claude
