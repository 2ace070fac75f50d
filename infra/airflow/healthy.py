"""Exit with 0 if a component is healthy: metadatabase, scheduler, dag_processor or triggerer.

It asks the API server, which knows every component's heartbeat, and does not import Airflow.
"""

import json
import sys
import urllib.request

URL = "http://airflow-apiserver:8080/api/v2/monitor/health"

if __name__ == "__main__":
    with urllib.request.urlopen(URL, timeout=5) as response:
        component = json.load(response)[sys.argv[1]]
    print(component)
    sys.exit(component["status"] != "healthy")
