"""Makes an event with a guest at the base URL and prints a configuration that names them."""

import sys

import requests

base, owner = sys.argv[1:]
events = f"{base}/api/v1/events"
body = {"title": "Known", "start_time": "2131-05-10", "channel_name": "Known", "max_attendees": 3}
made = requests.post(events, json=body, timeout=10).json()
event, host = made["event"]["id"], made["admin_token"]
guest = {"name": "Ana", "attendance_status": "yes", "guest_count": 2}
answered = requests.post(f"{events}/{event}/rsvps", json=guest, timeout=10).json()
token = answered["rsvp"]["rsvp_token"]
bearer = {"Authorization": f"Bearer {host}"}
roster = requests.get(f"{events}/{event}/rsvps", headers=bearer, timeout=10).json()
print(f"""
headers = {{ Authorization = "Bearer {owner}" }}

[parameters]
"path.event_id" = "{event}"
"path.rsvp_id" = "{roster["rsvps"][0]["id"]}"
"path.slug" = "known"

[[operations]]
include-path-regex = "rsvps/self"
headers = {{ Authorization = "Bearer {token}" }}
""")
