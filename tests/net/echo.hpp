#pragma once
#include "transport/socket_server.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <stdexcept>

namespace consortium
{
namespace asio = boost::asio;
using std::chrono::milliseconds;

/// Rules of a Socket.IO server that has none, for driving the transport. Events:
///   echo          acknowledges its argument (all, when there are bytes among them), or emits it back as "echo" when no
///   acknowledgement was asked for ask           emits "question" with an acknowledgement and answers with what the
///   client said bytes         the same with two bytes shout         emits "shout" to every socket of this thread burst
///   n       emits n events "tick" 0..n-1 drop          closes the transport; kick: disconnects; fault: throws pause ms
///   stops reading for so long
/// Anything else is never answered (and so answers an error). auth {refuse:"text"} is refused, {fail:"text"} cannot be
/// judged, {slow:ms} is let in late, {fault:1} throws. Prints what ends.
class echo_rules final : public relay::socket_handler
{
public:
    explicit echo_rules(std::ostream* to = &std::cout) : out(to) {}

    relay::socket_server* sockets = nullptr;
    std::ostream* out;

    asio::awaitable<relay::connect_answer> on_connect(relay::socket& client, boost::json::object auth) override
    {
        const auto refuse = [](errc code, std::string detail) -> relay::connect_answer
        { return std::unexpected(relay::connect_refusal{{code, std::move(detail), {}}, {}}); };
        if (const auto* text = auth.if_contains("refuse"))
            co_return refuse(errc::unauthorized, std::string(text->as_string()));
        if (const auto* text = auth.if_contains("fail"))
            co_return refuse(errc::io, std::string(text->as_string()));
        if (auth.contains("fault"))
            throw std::runtime_error("asked for");
        if (const auto* ms = auth.if_contains("slow"))
        {
            asio::steady_timer timer(client.executor(), milliseconds(ms->as_int64()));
            co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        }
        co_return std::make_unique<echo>(*this, client, std::move(auth));
    }
    void on_bug(std::string_view what) override { *out << "bug " + std::string(what) + "\n" << std::flush; }

private:
    class echo final : public relay::socket_listener
    {
    public:
        echo(echo_rules& rules, relay::socket& client, boost::json::object auth)
            : rules_(rules), client_(client), auth_(std::move(auth))
        {
        }

        account_id owner() const override { return {}; }
        void on_connected() override
        {
            client_.emit("hello", auth_);
            client_.emit("welcome", {{"thread", client_.thread()}});
        }
        void on_event(std::string_view name, relay::arguments given, relay::ack reply) override
        {
            const auto& args = given.values;
            if (name == "echo" && reply.wanted() && !given.bytes.empty())
                reply(std::move(given));
            else if (name == "echo" && reply.wanted())
                reply(args.empty() ? boost::json::value(boost::json::object{}) : args.front());
            else if (name == "echo")
                client_.emit("echo", args.empty() ? boost::json::value(nullptr) : args.front());
            else if (name == "ask")
                client_.emit_with_ack(
                    "question", {{args.empty() ? boost::json::value(nullptr) : args.front()}, std::move(given.bytes)},
                    milliseconds(500),
                    [answer = std::move(reply)](result<relay::arguments> said) mutable
                    {
                        if (said)
                            answer(relay::arguments{{boost::json::value(said->values)}, std::move(said->bytes)});
                        else
                            answer(said.error());
                    });
            else if (name == "shout")
                rules_.sockets->for_each_here(
                    [frame = relay::encode_event("shout", args.at(0))](relay::socket_listener& each)
                    {
                        auto& to = static_cast<echo&>(each).client_;
                        to.emit(frame);
                        to.flush();
                    });
            else if (name == "burst")
                for (std::int64_t i = 0; i < args.at(0).as_int64(); ++i)
                    client_.emit("tick", i);
            else if (name == "bytes")
                client_.emit_with_ack(
                    "question", {{{{"_placeholder", true}, {"num", 0}}}, {{"\x01\xff"}, nullptr}}, milliseconds(500),
                    [answer = std::move(reply)](result<relay::arguments> said) mutable
                    { answer(boost::json::value(said ? said->values : boost::json::array())); });
            else if (name == "drop")
                client_.close_transport("dropped");
            else if (name == "kick")
                client_.disconnect();
            else if (name == "pause")
                pause(client_, milliseconds(args.at(0).as_int64()));
            else if (name == "fault")
                throw std::runtime_error("asked for");
        }
        void on_events_delivered() override {}
        void on_disconnect(std::string_view reason) override
        {
            *rules_.out << "gone " + client_.id() + " " + std::string(reason) + "\n" << std::flush;
        }

    private:
        static void pause(relay::socket& client, milliseconds time)
        {
            client.pause_reading();
            auto timer = std::make_shared<asio::steady_timer>(client.executor(), time);
            timer->async_wait(
                [timer, weak = client.weak()](const boost::system::error_code&)
                {
                    if (const auto held = weak.lock())
                        held->resume_reading();
                });
        }

        echo_rules& rules_;
        relay::socket& client_;
        const boost::json::object auth_;
    };
};

class echo_site final : public net::http_handler
{
public:
    explicit echo_site(relay::socket_server& sockets) : sockets_(sockets) {}

    asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info from) override
    {
        if (sockets_.owns(request.path))
            co_return co_await sockets_.handle(std::move(request), from);
        if (request.path == "/counts")
        {
            const auto counts = sockets_.counts();
            co_return net::http_response::json(
                200,
                boost::json::serialize(boost::json::object{
                    {"connections", counts.connections}, {"polling", counts.polling}, {"sockets", counts.sockets}}));
        }
        co_return net::http_response::text(404, "not here");
    }
    net::admission admit(const net::http_request& head, net::connection_info& from) override
    {
        net::admission out;
        if (sockets_.owns(head.path))
        {
            auto judged = sockets_.admit(head, from);
            out.refusal = std::move(judged.refusal);
            out.body_bytes_max = judged.body_bytes_max;
            out.unheard = std::move(judged.unheard);
        }
        else if (head.upgrade)
            out.refusal = net::http_response::text(404, "not here");
        return out;
    }
    asio::awaitable<void>
    upgraded(net::http_request request, net::connection_info from, std::unique_ptr<net::websocket> connection) override
    {
        co_await sockets_.upgraded(std::move(request), from, std::move(connection));
    }
    net::http_response refuse(unsigned status, std::string_view detail) override
    {
        return net::http_response::text(status, std::string(detail));
    }

private:
    relay::socket_server& sockets_;
};

} // namespace consortium
