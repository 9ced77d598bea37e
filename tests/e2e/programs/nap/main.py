"""Sleeps for some seconds, then tells how long."""
import json
import os
import time

with open("/params.json") as file:
    seconds = int(json.load(file)["seconds"])
time.sleep(seconds)
with open(os.path.join(os.environ["COFFER_OUT"], "nap.json"), "w") as file:
    json.dump({"seconds": seconds}, file)
