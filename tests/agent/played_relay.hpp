#pragma once
#include "agent/loopback.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include <atomic>
#include <boost/json.hpp>
#include <mutex>
#include <vector>

namespace consortium::agent::testing
{
namespace json = boost::json;

inline const std::string sid = "01890a5d-ac96-774b-bcce-b302099a8057";
inline const std::string log_name = "01890a5d-ac96-774b-bcce-b302099a8058";

/// The HTTP side of a relay with one session, `sid`.
class played_relay final : public http_only
{
public:
    std::string url() const { return server_.url(); }

    struct stored
    {
        std::string bundle;
        std::string local_id;
    };
    std::vector<stored> messages()
    {
        const std::lock_guard lock(guard_);
        return messages_;
    }
    void store(const std::string& bundle, const std::string& local_id)
    {
        const std::lock_guard lock(guard_);
        for (const auto& each : messages_)
        {
            if (!local_id.empty() && each.local_id == local_id)
                return;
        }
        messages_.push_back({bundle, local_id});
    }
    /// A backup was put back: the last ones are gone.
    void lose_last(std::size_t count)
    {
        const std::lock_guard lock(guard_);
        messages_.resize(messages_.size() - count);
    }
    json::object created()
    {
        const std::lock_guard lock(guard_);
        return created_;
    }
    std::atomic<int> posts = 0;         ///< requests that brought messages
    std::atomic<int> refuse_with = 0;   ///< a status instead of every answer
    std::atomic<bool> confuses = false; ///< shows another session under our tag
    std::atomic<int> sessions_asked = 0;
    /// What something in between answers instead.
    void stand_in_with(std::optional<net::http_response> answer)
    {
        const std::lock_guard lock(guard_);
        stranger_ = std::move(answer);
    }

    asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info) override
    {
        if (const std::lock_guard lock(guard_); stranger_)
            co_return *stranger_;
        if (const int status = refuse_with; status != 0)
            co_return net::http_response::json(
                static_cast<unsigned>(status), R"({"error":"not now","code":"unavailable","retry":10})");
        if (request.method == "POST" && request.path == "/v1/sessions")
        {
            const std::lock_guard lock(guard_);
            if (created_.empty())
                created_ = json::parse(request.body).as_object();
            auto session = created_;
            session["id"] = sid;
            ++sessions_asked;
            if (confuses)
            {
                session["id"] = "01890a5d-ac96-774b-bcce-b302099a80aa";
                session["metadata"] = base64_encode(random_array<80>());
                session["dataEncryptionKey"] = base64_encode(random_array<80>());
            }
            session["metadataVersion"] = 1;
            session["agentStateVersion"] = 0;
            co_return net::http_response::json(200, json::serialize(json::object{{"session", session}}));
        }
        if (request.path == "/v3/sessions/" + sid + "/messages" && request.method == "POST")
        {
            ++posts;
            json::array stored;
            for (const auto& each : json::parse(request.body).at("messages").as_array())
            {
                store(std::string(each.at("content").as_string()), std::string(each.at("localId").as_string()));
                stored.push_back(json::object{{"localId", each.at("localId")}});
            }
            co_return net::http_response::json(200, json::serialize(json::object{{"messages", stored}}));
        }
        if (request.path == "/v3/sessions/" + sid + "/messages")
        {
            const std::lock_guard lock(guard_);
            const auto after = std::stoul(std::string(request.query_value("after_seq").value_or("0")));
            json::array page;
            for (auto at = after; at < messages_.size(); ++at)
                page.push_back(json::object{
                    {"seq", at + 1}, {"content", json::object{{"t", "encrypted"}, {"c", messages_[at].bundle}}}});
            co_return net::http_response::json(
                200, json::serialize(json::object{{"messages", page}, {"hasMore", false}}));
        }
        co_return net::http_response::json(404, not_found_body);
    }

private:
    std::mutex guard_;
    std::vector<stored> messages_;
    json::object created_;
    std::optional<net::http_response> stranger_;
    loopback server_{*this};
};

} // namespace consortium::agent::testing
