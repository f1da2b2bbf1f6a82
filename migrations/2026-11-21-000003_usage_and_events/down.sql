DROP TABLE events;
DROP TABLE event_counter;
DROP TABLE usage_backlog;
DROP TABLE usage_hours;
DROP TABLE usage_minutes;
