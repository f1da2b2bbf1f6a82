//! The tables as diesel sees them; kept by hand beside `migrations/`.

diesel::table! {
    orgs (id) { id -> Text, slug -> Text, name -> Text, plan -> Text, created_at -> BigInt, lock_seq -> BigInt, }
}
diesel::table! {
    users (id) {
        id -> Text, email -> Text, name -> Text, password_hash -> Text, created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    memberships (org_id, user_id) { org_id -> Text, user_id -> Text, role -> Text, joined_at -> BigInt, }
}
diesel::table! {
    profiles (id) { id -> Text, org_id -> Text, name -> Text, created_at -> BigInt, }
}
diesel::table! {
    api_keys (id) {
        id -> Text, org_id -> Text, profile_id -> Text, owner_id -> Text, name -> Text, note -> Text,
        environment -> Text, role_max -> Text, created_at -> BigInt, expires_at -> Nullable<BigInt>, paused_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>, revoked_by -> Nullable<Text>, revoke_reason -> Text,
        last_used_at -> Nullable<BigInt>, last_used_address -> Text, last_used_client -> Text,
        url_allowed -> BigInt,
    }
}
diesel::table! {
    key_secrets (id) {
        id -> Text, key_id -> Text, hash -> Text, last4 -> Text, created_at -> BigInt,
        valid_until -> Nullable<BigInt>, first_used_at -> Nullable<BigInt>, last_used_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    done_once (scope, token) { scope -> Text, token -> Text, body_hash -> Text, object_id -> Text, created_at -> BigInt, }
}
diesel::table! {
    sessions (token_hash) {
        token_hash -> Text, id -> Text, user_id -> Nullable<Text>, state -> Text, created_at -> BigInt,
        last_seen_at -> BigInt, address -> Text, client -> Text,
    }
}
diesel::table! {
    one_time_links (id) {
        id -> Text, kind -> Text, token_hash -> Text, org_id -> Nullable<Text>, user_id -> Nullable<Text>,
        email -> Text, role -> Text, created_by -> Nullable<Text>, created_at -> BigInt, expires_at -> BigInt,
        used_at -> Nullable<BigInt>, withdrawn_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    throttles (bucket) { bucket -> Text, failures -> BigInt, since -> BigInt, blocked_until -> BigInt, }
}
diesel::table! {
    audit_chains (chain) { chain -> Text, seq -> BigInt, head -> Text, }
}
diesel::table! {
    audit_log (chain, seq) {
        chain -> Text, seq -> BigInt, at -> BigInt, actor_id -> Text, actor_name -> Text, credential -> Text,
        action -> Text, object_id -> Text, object_name -> Text, before -> Text, after -> Text, address -> Text,
        via -> Text, request_id -> Text, prev_hash -> Text, hash -> Text,
    }
}
diesel::table! {
    service_tokens (id) {
        id -> Text, name -> Text, token_hash -> Text, created_at -> BigInt, last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    usage_minutes (key_id, at, secret, outcome) {
        org_id -> Text, key_id -> Text, secret -> BigInt, at -> BigInt, outcome -> Text, count -> BigInt,
    }
}
diesel::table! {
    usage_hours (key_id, at, secret, outcome) {
        org_id -> Text, key_id -> Text, secret -> BigInt, at -> BigInt, outcome -> Text, count -> BigInt,
    }
}
diesel::table! {
    usage_backlog (seq) { seq -> BigInt, part -> BigInt, entries -> Text, }
}
diesel::table! {
    event_counter (id) { id -> BigInt, seq -> BigInt, }
}
diesel::table! {
    events (seq) {
        seq -> BigInt, at -> BigInt, org_id -> Text, key_id -> Text, secret -> BigInt, method -> Text, path -> Text,
        outcome -> Text, status -> Nullable<BigInt>, duration_ms -> Nullable<BigInt>, address -> Text, client -> Text,
        request_id -> Text, weight -> BigInt, reported_seq -> Nullable<BigInt>,
    }
}
diesel::table! {
    gate_clock (id) { id -> BigInt, seq -> BigInt, }
}
diesel::table! {
    gate_changes (seq) { seq -> BigInt, kind -> Text, object -> Text, }
}
diesel::table! {
    gate_nodes (id) { id -> Text, applied -> BigInt, renewals -> BigInt, }
}
diesel::table! {
    device_codes (id) {
        id -> Text, code_hash -> Text, user_code -> Text, name -> Text, address -> Text, client -> Text,
        created_at -> BigInt, expires_at -> BigInt, poll_seconds -> BigInt, polled_at -> Nullable<BigInt>, state -> Text,
        user_id -> Nullable<Text>, org_id -> Nullable<Text>,
    }
}
diesel::table! {
    cli_tokens (id) {
        id -> Text, token_hash -> Text, user_id -> Text, org_id -> Text, name -> Text, address -> Text, client -> Text,
        created_at -> BigInt, expires_at -> BigInt, last_used_at -> Nullable<BigInt>, last_used_address -> Text,
        ended_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    installation (id) { id -> BigInt, name -> Text, }
}
diesel::table! {
    billing_events (id) { id -> Text, kind -> Text, created_at -> BigInt, received_at -> BigInt, }
}
diesel::table! {
    billing_subscriptions (id) {
        id -> Text, customer -> Text, org_id -> Nullable<Text>, plan -> Text, is_live -> BigInt, told_at -> BigInt,
        told_rank -> BigInt,
    }
}
diesel::table! {
    leak_reports (secret_id, partner, place) {
        secret_id -> Text, partner -> Text, place -> Text, org_id -> Text, key_id -> Text, kind -> Text, source -> Text,
        found -> Text, done -> Text, reported_at -> BigInt,
    }
}
diesel::table! {
    plan_requests (org_id, user_id) { org_id -> Text, user_id -> Text, plan -> Text, asked_at -> BigInt, }
}

diesel::table! {
    alerts (id) {
        id -> Text, org_id -> Text, kind -> Text, once -> Text, at -> BigInt, owner_id -> Nullable<Text>, facts -> Text,
        fanned_out_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    alert_switches (org_id, user_id, kind, channel) {
        org_id -> Text, user_id -> Text, kind -> Text, channel -> Text, is_on -> BigInt,
    }
}
diesel::table! {
    webhook_endpoints (id) {
        id -> Text, org_id -> Text, url -> Text, secret -> Text, old_secret -> Text, old_secret_until -> Nullable<BigInt>,
        created_at -> BigInt, created_by -> Text, failures -> BigInt, failing_since -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>, disabled_reason -> Text, removed_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    alert_deliveries (id) {
        id -> Text, alert_id -> Text, org_id -> Text, channel -> Text, recipient -> Text, message -> Text, state -> Text,
        attempts -> BigInt, created_at -> BigInt, next_attempt_at -> BigInt, lease -> Text, leased_until -> BigInt,
        finished_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    delivery_attempts (delivery_id, number) {
        delivery_id -> Text, number -> BigInt, at -> BigInt, status -> Nullable<BigInt>, duration_ms -> BigInt, outcome -> Text,
    }
}
diesel::table! {
    alert_sweeps (kind) { kind -> Text, swept_until -> BigInt, }
}
diesel::table! {
    key_networks (key_id, network) { key_id -> Text, network -> Text, first_seen_at -> BigInt, is_told -> BigInt, }
}

diesel::joinable!(memberships -> users (user_id));
diesel::joinable!(memberships -> orgs (org_id));
diesel::joinable!(leak_reports -> api_keys (key_id));
diesel::joinable!(plan_requests -> users (user_id));
diesel::joinable!(plan_requests -> orgs (org_id));
diesel::joinable!(alert_deliveries -> alerts (alert_id));
diesel::allow_tables_to_appear_in_same_query!(
    orgs,
    users,
    memberships,
    profiles,
    api_keys,
    key_secrets,
    sessions,
    events,
    plan_requests,
    alerts,
    alert_deliveries,
    leak_reports,
);
