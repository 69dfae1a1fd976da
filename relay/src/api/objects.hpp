#pragma once
#include "consortium/projections/views.hpp"
#include "consortium/protocol/v1/answers.hpp"

/// From rows of the views to objects of the contract.
namespace consortium::relay::api
{

protocol::v1::session_object object_of(const projections::session_view& row);
protocol::v1::machine_object object_of(const projections::machine_view& row);
/// Its content points into `row`.
protocol::v1::message_object object_of(const projections::message_view& row);
/// Of the event that appended it; its content points into `happened`. errc::corrupt if it is no such event.
result<protocol::v1::message_object> message_of(const log::event& happened);

} // namespace consortium::relay::api
