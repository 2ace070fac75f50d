"""Exit 0 when a part of Airflow is healthy: metadatabase, scheduler, dag_processor or triggerer.

Asks the API server, which knows the heartbeats of all of them, and imports nothing of Airflow.
"""

import json
import sys
import urllib.request

URL = "http://airflow-apiserver:8080/api/v2/monitor/health"

if __name__ == "__main__":
    with urllib.request.urlopen(URL, timeout=5) as answer:
        found = json.load(answer)[sys.argv[1]]
    print(found)
    sys.exit(found["status"] != "healthy")
