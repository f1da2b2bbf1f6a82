DROP TABLE plan_requests;
DROP TABLE billing_subscriptions;
DROP TABLE billing_events;
